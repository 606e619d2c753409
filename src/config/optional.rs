//! What may fail without failing the run, and what must not rest on it.

use super::codes;
use super::stack::Stack;
use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, Node};

/// Whatever rests on something optional is optional itself: it would be skipped along with it.
pub(super) fn check(stack: &Stack, diagnostics: &mut Vec<Diagnostic>) {
    if !stack.blocks.values().any(|block| block.lifecycle.optional) {
        return;
    }
    // Circles are told elsewhere.
    let Ok(graph) = Graph::new(stack) else { return };
    for block in stack.blocks.values().filter(|block| !block.lifecycle.optional) {
        for needed in graph.dependencies_of(&block.address) {
            let Some(needed) = stack.blocks.get(needed).filter(|needed| needed.lifecycle.optional) else { continue };
            let edges = graph.position(&Node::Block(block.address.clone())).map(|node| graph.edges(node));
            let to = graph.position(&Node::Block(needed.address.clone()));
            let edge = edges.into_iter().flatten().find(|edge| Some(edge.to) == to);
            let message = format!("`{}` depends on `{}`, which is optional", block.address, needed.address);
            let diagnostic = Diagnostic::error(codes::RESTS_ON_OPTIONAL, message);
            diagnostics.push(
                diagnostic
                    .at(edge.map_or(block.span, |edge| edge.span))
                    .label(needed.span, "optional")
                    .hint("make it optional, too, with `lifecycle.optional = true`, or do without what may be missing"),
            );
        }
    }
}
