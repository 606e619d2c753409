//! `retrue graph`.

use clap::Args;
use serde::Serialize;

use crate::address::BlockAddress;
use crate::cli::exit::{Ending, Exit, Failure, usage};
use crate::cli::session::Session;
use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, Node};
use crate::{config, engine};

/// Show what depends on what
///
/// Writes DOT for Graphviz: `retrue graph | dot -Tsvg > graph.svg`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Write Mermaid in place of DOT
    #[arg(long)]
    pub(crate) mermaid: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    stack: &'a str,
    nodes: Vec<&'a BlockAddress>,
    edges: Vec<WireEdge<'a>>,
}

#[derive(Serialize)]
struct WireEdge<'a> {
    from: &'a BlockAddress,
    to: &'a BlockAddress,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    if arguments.mermaid && session.console.settings().json {
        return Err(usage("`--mermaid` and `--json` exclude each other"));
    }
    let stack = engine::load(&session.options())?;
    let graph = Graph::new(&stack).map_err(|diagnostics| broken(diagnostics, &stack))?;
    if session.console.settings().json {
        let blocks = || {
            graph.nodes().iter().filter_map(|node| match node {
                Node::Block(address) => Some(address),
                _ => None,
            })
        };
        let needs = |from| graph.dependencies_of(from).into_iter().map(move |to| WireEdge { from, to });
        return session.document(&Document {
            stack: &stack.name,
            nodes: blocks().collect(),
            edges: blocks().flat_map(needs).collect(),
        });
    }
    let text = if arguments.mermaid { graph.to_mermaid() } else { graph.to_dot(&stack.name) };
    session.console.data(&text);
    Ok(Exit::Done)
}

fn broken(diagnostics: Vec<Diagnostic>, stack: &config::Stack) -> Failure {
    engine::Failure::many(diagnostics, stack.sources.clone()).into()
}
