//! Circles, told edge by edge.

use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use super::{Edge, Graph};
use crate::config::codes;
use crate::diagnostic::Diagnostic;

/// So many edges of a circle are shown.
const MAX_LABELS: usize = 50;

/// One diagnostic for each group of nodes that all depend on each other, about a shortest circle in it.
pub(super) fn describe(graph: &Graph, left: &[usize]) -> Vec<Diagnostic> {
    let mut directed = DiGraph::<usize, ()>::with_capacity(left.len(), left.len());
    let indices: HashMap<usize, _> = left.iter().map(|node| (*node, directed.add_node(*node))).collect();
    for node in left {
        for edge in graph.edges(*node) {
            if let (Some(from), Some(to)) = (indices.get(node), indices.get(&edge.to)) {
                directed.add_edge(*from, *to, ());
            }
        }
    }
    // Not `tarjan_scc`, which is recursive: a long circle would overflow the stack.
    let mut diagnostics = Vec::new();
    for component in kosaraju_scc(&directed) {
        let members: HashSet<usize> =
            component.iter().filter_map(|index| directed.node_weight(*index)).copied().collect();
        let Some(start) = members.iter().min() else { continue };
        if let Some(circle) = shortest(graph, *start, &members) {
            diagnostics.push(diagnostic(graph, &circle));
        }
    }
    diagnostics
}

/// A shortest way from `start` back to it, as pairs of a node and the edge that leaves it.
fn shortest(graph: &Graph, start: usize, members: &HashSet<usize>) -> Option<Vec<(usize, Edge)>> {
    let mut reached: HashMap<usize, (usize, Edge)> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        for edge in graph.edges(node) {
            if edge.to == start {
                let mut circle = vec![(node, *edge)];
                let mut at = node;
                while at != start {
                    let (before, edge) = reached.get(&at)?;
                    circle.push((*before, *edge));
                    at = *before;
                }
                circle.reverse();
                return Some(circle);
            }
            if members.contains(&edge.to) && !reached.contains_key(&edge.to) {
                reached.insert(edge.to, (node, *edge));
                open.push_back(edge.to);
            }
        }
    }
    None
}

fn diagnostic(graph: &Graph, circle: &[(usize, Edge)]) -> Diagnostic {
    let name = |node: usize| graph.nodes().get(node).map(ToString::to_string).unwrap_or_default();
    if let [(node, edge)] = circle {
        return Diagnostic::error(codes::CYCLE, format!("`{}` refers to itself", name(*node))).at(edge.span);
    }
    let mut way: Vec<String> = circle.iter().map(|(node, _)| format!("`{}`", name(*node))).collect();
    way.extend(way.first().cloned());
    let shown = match way.len() {
        0..=9 => way.join(" needs "),
        length => format!(
            "{} … and {} more … {}",
            way.get(..4).unwrap_or_default().join(" needs "),
            length - 8,
            way.get(length - 4..).unwrap_or_default().join(" needs ")
        ),
    };
    let mut diagnostic = Diagnostic::error(codes::CYCLE, format!("these need each other: {shown}"));
    for (node, edge) in circle.iter().take(MAX_LABELS) {
        diagnostic = diagnostic.label(edge.span, format!("`{}` needs `{}`", name(*node), name(edge.to)));
    }
    diagnostic.hint("one of them must do without the other; often it is a `depends_on` too many")
}
