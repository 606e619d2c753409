//! What depends on what: variables, locals, providers, resources and outputs of a stack.
//!
//! Nodes are blocks, never instances: two groups of instances that depend on each other are one edge,
//! not one for each pair. A local value stands between what it refers to and what refers to it, for the
//! same reason; [`Graph::dependencies_of`] looks through locals and providers.
//!
//! Architecture Invariant: everything is in the order of [`Node`], so that neither hash maps nor the
//! order of files ever show.

mod cycle;
mod text;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::address::BlockAddress;
use crate::config::{Condition, Fallback, ResourceBlock, Stack};
use crate::diagnostic::{Diagnostic, sort};
use crate::expression::{Expression, Reference, Root};
use crate::span::Span;

/// Something that can depend on something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A variable.
    Variable(Arc<str>),
    /// A local value.
    Local(Arc<str>),
    /// A configuration of a provider.
    Provider(Arc<str>),
    /// A resource or data source, with all its instances.
    Block(BlockAddress),
    /// An output.
    Output(Arc<str>),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Variable(name) => write!(f, "var.{name}"),
            Node::Local(name) => write!(f, "local.{name}"),
            Node::Provider(name) => write!(f, "provider.{name}"),
            Node::Block(address) => write!(f, "{address}"),
            Node::Output(name) => write!(f, "output.{name}"),
        }
    }
}

/// One dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The index of what is depended on.
    pub to: usize,
    /// Where it is written; the first place, of several.
    pub span: Span,
}

/// The dependencies of a stack, free of circles.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    index: HashMap<Node, usize>,
    dependencies: Vec<Vec<Edge>>,
    dependents: Vec<Vec<usize>>,
    order: Vec<usize>,
}

impl Graph {
    /// Collects the dependencies of a stack. What is referred to and does not exist is left out.
    ///
    /// # Errors
    /// One diagnostic for each circle, with its edges and their places.
    pub fn new(stack: &Stack) -> Result<Graph, Vec<Diagnostic>> {
        let mut graph = Graph::unordered(stack);
        let (order, left) = graph.sorted();
        if left.is_empty() {
            graph.order = order;
            return Ok(graph);
        }
        let mut diagnostics = cycle::describe(&graph, &left);
        sort(&mut diagnostics);
        Err(diagnostics)
    }

    fn unordered(stack: &Stack) -> Graph {
        let nodes: Vec<Node> = (stack.variables.keys().map(|name| Node::Variable(Arc::clone(name))))
            .chain(stack.locals.keys().map(|name| Node::Local(Arc::clone(name))))
            .chain(stack.providers.keys().map(|name| Node::Provider(Arc::clone(name))))
            .chain(stack.blocks.keys().map(|address| Node::Block(address.clone())))
            .chain(stack.outputs.keys().map(|name| Node::Output(Arc::clone(name))))
            .collect();
        let index: HashMap<Node, usize> = nodes.iter().cloned().zip(0..).collect();
        let count = nodes.len();
        let mut graph =
            Graph { nodes, index, dependencies: Vec::with_capacity(count), dependents: Vec::new(), order: Vec::new() };
        for node in &graph.nodes {
            let mut found = Found { index: &graph.index, edges: Vec::new() };
            match node {
                Node::Variable(_) => {}
                Node::Local(name) => stack.locals.get(name).iter().for_each(|local| found.expression(&local.value)),
                Node::Output(name) => {
                    stack.outputs.get(name).iter().for_each(|output| found.expression(&output.value));
                }
                Node::Provider(name) => {
                    let provider = stack.providers.get(name).into_iter();
                    provider.flat_map(|provider| provider.expressions()).for_each(|one| found.expression(one));
                }
                Node::Block(address) => {
                    stack.blocks.get(address).iter().for_each(|block| found.block(stack, block));
                }
            }
            let mut edges = found.edges;
            edges.sort();
            edges.dedup_by_key(|edge| edge.to);
            graph.dependencies.push(edges);
        }
        graph.dependents = vec![Vec::new(); count];
        for (from, edges) in graph.dependencies.iter().enumerate() {
            for edge in edges {
                if let Some(dependents) = graph.dependents.get_mut(edge.to) {
                    dependents.push(from);
                }
            }
        }
        graph
    }

    /// All nodes that can be put in an order, in that order, and those that cannot.
    fn sorted(&self) -> (Vec<usize>, Vec<usize>) {
        let mut waiting: Vec<usize> = self.dependencies.iter().map(Vec::len).collect();
        let ready = waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(node, _)| Reverse(node));
        let mut ready: BinaryHeap<Reverse<usize>> = ready.collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for dependent in self.dependents.get(node).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(*dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse(*dependent));
                    }
                }
            }
        }
        let left = waiting.iter().enumerate().filter(|(_, count)| **count > 0).map(|(node, _)| node).collect();
        (order, left)
    }

    /// All nodes, sorted; their positions are what [`Edge::to`] counts.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The position of a node.
    pub fn position(&self, node: &Node) -> Option<usize> {
        self.index.get(node).copied()
    }

    /// All nodes, each after what it depends on; among those that could come next, the smallest does.
    pub fn order(&self) -> impl Iterator<Item = &Node> {
        self.order.iter().filter_map(|node| self.nodes.get(*node))
    }

    /// What a node depends on directly, with the places, sorted.
    pub fn edges(&self, node: usize) -> &[Edge] {
        self.dependencies.get(node).map_or(&[], Vec::as_slice)
    }

    /// The blocks that a block depends on directly, sorted. What it refers to by way of locals, or by
    /// its provider's configuration, counts as direct.
    pub fn dependencies_of(&self, block: &BlockAddress) -> Vec<&BlockAddress> {
        self.blocks_behind(&Node::Block(block.clone()))
    }

    /// The blocks that a node depends on directly, sorted, by way of locals and providers too.
    pub fn blocks_behind(&self, node: &Node) -> Vec<&BlockAddress> {
        self.next_blocks(node, |node, next| next.extend(self.edges(node).iter().map(|edge| edge.to)))
    }

    /// The blocks that depend on a block directly, sorted, by way of locals and providers too.
    pub fn dependents_of(&self, block: &BlockAddress) -> Vec<&BlockAddress> {
        let node = Node::Block(block.clone());
        self.next_blocks(&node, |node, next| next.extend(self.dependents.get(node).into_iter().flatten()))
    }

    /// Whether anything but an output or a local depends on a block, directly or by way of locals.
    pub fn is_needed(&self, block: &BlockAddress) -> bool {
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = self.position(&Node::Block(block.clone())).into_iter().collect();
        while let Some(node) = open.pop() {
            for dependent in self.dependents.get(node).into_iter().flatten().filter(|next| seen.insert(**next)) {
                match self.nodes.get(*dependent) {
                    Some(Node::Block(_) | Node::Provider(_)) => return true,
                    _ => open.push(*dependent),
                }
            }
        }
        false
    }

    fn next_blocks(&self, start: &Node, step: impl Fn(usize, &mut Vec<usize>)) -> Vec<&BlockAddress> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = Vec::new();
        if let Some(start) = self.position(start) {
            step(start, &mut open);
        }
        while let Some(node) = open.pop() {
            match self.nodes.get(node) {
                Some(Node::Block(address)) => {
                    found.insert(address);
                }
                Some(Node::Local(_) | Node::Provider(_)) if seen.insert(node) => step(node, &mut open),
                _ => {}
            }
        }
        found.into_iter().collect()
    }

    /// The given blocks and everything that they need, directly or not.
    pub fn with_dependencies<'b>(&self, blocks: impl IntoIterator<Item = &'b BlockAddress>) -> BTreeSet<BlockAddress> {
        self.closure(blocks, |node, next| next.extend(self.edges(node).iter().map(|edge| edge.to)))
    }

    /// The given blocks and everything that needs them, directly or not.
    pub fn with_dependents<'b>(&self, blocks: impl IntoIterator<Item = &'b BlockAddress>) -> BTreeSet<BlockAddress> {
        self.closure(blocks, |node, next| next.extend(self.dependents.get(node).into_iter().flatten()))
    }

    fn closure<'b>(
        &self,
        blocks: impl IntoIterator<Item = &'b BlockAddress>,
        step: impl Fn(usize, &mut VecDeque<usize>),
    ) -> BTreeSet<BlockAddress> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: VecDeque<usize> =
            blocks.into_iter().filter_map(|block| self.position(&Node::Block(block.clone()))).collect();
        let mut found = BTreeSet::new();
        while let Some(node) = open.pop_front() {
            match seen.get_mut(node) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            if let Some(Node::Block(address)) = self.nodes.get(node) {
                found.insert(address.clone());
            }
            step(node, &mut open);
        }
        found
    }
}

/// The edges of one node as they are found.
struct Found<'g> {
    index: &'g HashMap<Node, usize>,
    edges: Vec<Edge>,
}

impl Found<'_> {
    fn block(&mut self, stack: &Stack, block: &ResourceBlock) {
        block.repetition.expression().into_iter().for_each(|expression| self.expression(expression));
        self.expression(&block.body);
        block.fallback.iter().filter_map(Fallback::expression).for_each(|fallback| self.expression(fallback));
        for (target, span) in &block.depends_on {
            self.edge(&Node::Block(target.block().clone()), *span);
        }
        let provider = stack.provider_name(block);
        let span = block.provider.as_ref().map_or(block.span, |(_, span)| *span);
        self.edge(&Node::Provider(provider), span);
        let lifecycle = &block.lifecycle;
        lifecycle.enabled.iter().for_each(|enabled| self.expression(enabled));
        lifecycle.preconditions.iter().for_each(|condition| self.condition(condition));
        lifecycle.postconditions.iter().for_each(|condition| self.condition(condition));
        for trigger in &lifecycle.replace_triggered_by {
            self.reference(&trigger.reference);
            trigger.key.iter().for_each(|key| self.expression(key));
        }
        // What is imported has to be known before it is planned.
        for import in stack.imports.iter().filter(|import| import.to == block.address) {
            import.repetition.expression().into_iter().for_each(|expression| self.expression(expression));
            self.expression(&import.id);
        }
    }

    fn condition(&mut self, condition: &Condition) {
        self.expression(&condition.condition);
        self.expression(&condition.message);
    }

    fn expression(&mut self, expression: &Expression) {
        for reference in expression.references() {
            self.reference(&reference);
        }
    }

    fn reference(&mut self, reference: &Reference) {
        let node = match &reference.root {
            Root::Var(name) => Node::Variable(Arc::clone(name)),
            Root::Local(name) => Node::Local(Arc::clone(name)),
            root => match root.block() {
                Some(block) => Node::Block(block),
                None => return,
            },
        };
        self.edge(&node, reference.span);
    }

    fn edge(&mut self, node: &Node, span: Span) {
        if let Some(to) = self.index.get(node) {
            self.edges.push(Edge { to: *to, span });
        }
    }
}

#[cfg(test)]
mod tests;
