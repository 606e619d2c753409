//! The places of a file that can be changed while the program runs.

use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A place, as bytes of the file.
pub struct Site {
    pub range: Range<usize>,
    pub kind: Kind,
}

pub enum Kind {
    /// The block of a function; whether it returns an `impl Trait`, of which there can be but one type.
    Body {
        opaque: bool,
    },
    /// Two operands; whether a `let` is among them, which can stand nowhere else.
    Binary {
        left: Range<usize>,
        operator: Range<usize>,
        right: Range<usize>,
        chain: bool,
    },
    Unary {
        operator: Range<usize>,
        operand: Range<usize>,
    },
    Arm {
        pattern: Range<usize>,
        guard: Option<Range<usize>>,
        body: Range<usize>,
    },
    Guard,
    /// A struct with a base: `S { field: 1, ..base }`.
    Struct {
        fields: Vec<Range<usize>>,
    },
}

/// All places of a file.
pub fn sites(source: &str) -> Vec<Site> {
    let file = syn::parse_file(source).expect("the file compiles");
    let mut finder = Finder(Vec::new());
    finder.visit_file(&file);
    finder.0
}

struct Finder(Vec<Site>);

impl Finder {
    fn add(&mut self, range: Range<usize>, kind: Kind) {
        self.0.push(Site { range, kind });
    }

    fn body(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let opaque =
            matches!(&signature.output, syn::ReturnType::Type(_, kind) if matches!(**kind, syn::Type::ImplTrait(_)));
        self.add(at(block), Kind::Body { opaque });
    }
}

fn at(part: &impl Spanned) -> Range<usize> {
    part.span().byte_range()
}

fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.body(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.body(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, item: &'a syn::ExprBinary) {
        let chain = has_let(&item.left) || has_let(&item.right);
        let kind = Kind::Binary { left: at(&item.left), operator: at(&item.op), right: at(&item.right), chain };
        self.add(at(item), kind);
        visit::visit_expr_binary(self, item);
    }

    fn visit_expr_unary(&mut self, item: &'a syn::ExprUnary) {
        self.add(at(item), Kind::Unary { operator: at(&item.op), operand: at(&item.expr) });
        visit::visit_expr_unary(self, item);
    }

    fn visit_arm(&mut self, item: &'a syn::Arm) {
        let guard = item.guard.as_ref().map(|(_, guard)| at(guard));
        if let Some(guard) = &guard {
            self.add(guard.clone(), Kind::Guard);
        }
        let (pattern, body) = (at(&item.pat), at(&item.body));
        self.add(pattern.start..body.end, Kind::Arm { pattern, guard, body });
        visit::visit_arm(self, item);
    }

    fn visit_expr_struct(&mut self, item: &'a syn::ExprStruct) {
        self.add(at(item), Kind::Struct { fields: item.fields.iter().map(|field| at(field)).collect() });
        visit::visit_expr_struct(self, item);
    }
}
