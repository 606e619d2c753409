//! The graph of resources as text that other tools draw.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Graph, Node};
use crate::address::{BlockAddress, Mode};

impl Graph {
    /// The resources and data sources and what they need, in the language of Graphviz.
    pub fn to_dot(&self, name: &str) -> String {
        let mut text = format!("digraph {} {{\n  rankdir = \"LR\"\n", quoted(name));
        text.push_str("  node [shape = \"box\"]\n");
        for (block, _) in self.blocks() {
            let shape = match block.mode {
                Mode::Managed => "",
                Mode::Data => " [shape = \"ellipse\"]",
                Mode::Ephemeral => " [shape = \"hexagon\"]",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {}{shape}", quoted(&block.to_string()));
        }
        for (block, needs) in self.blocks() {
            for needed in needs {
                let _ = writeln!(text, "  {} -> {}", quoted(&block.to_string()), quoted(&needed.to_string()));
            }
        }
        text.push_str("}\n");
        text
    }

    /// The same in the language of Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        let ids: BTreeMap<&BlockAddress, usize> = self.blocks().map(|(block, _)| block).zip(0..).collect();
        for (block, id) in &ids {
            let label = block.to_string().replace('"', "#quot;");
            let _ = match block.mode {
                Mode::Data => writeln!(text, "  n{id}([\"{label}\"])"),
                Mode::Managed => writeln!(text, "  n{id}[\"{label}\"]"),
                Mode::Ephemeral => writeln!(text, "  n{id}{{{{\"{label}\"}}}}"),
            };
        }
        for (block, needs) in self.blocks() {
            for needed in needs {
                if let (Some(from), Some(to)) = (ids.get(block), ids.get(needed)) {
                    let _ = writeln!(text, "  n{from} --> n{to}");
                }
            }
        }
        text
    }

    fn blocks(&self) -> impl Iterator<Item = (&BlockAddress, Vec<&BlockAddress>)> {
        self.nodes().iter().filter_map(|node| match node {
            Node::Block(address) => Some((address, self.dependencies_of(address))),
            _ => None,
        })
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
