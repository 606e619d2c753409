//! The screen of a plan: the summary and the dangers first, then each change in full.

mod changes;
mod risks;

use super::text::{bold, break_styled, count, cyan, dim, green, magenta, red, visible, width, wrap, yellow};
use crate::plan::{Action, Plan, PlanKind};

/// More changes than this, and creations and deletions are shown as lines of addresses only.
const MANY: usize = 60;

/// How much to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The columns of the screen.
    pub width: usize,
    /// Everything, however long.
    pub all: bool,
}

/// Renders a plan.
pub fn plan(plan: &Plan, detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    screen.line(&headline(plan));
    risks::show(&mut screen, plan);
    changes::show(&mut screen, plan);
    changes::outputs(&mut screen, plan);
    changes::checks(&mut screen, plan);
    if screen.lines > 30 && !plan.is_empty() {
        screen.blank();
        screen.line(&headline(plan));
    }
    screen.text
}

/// One line: what would happen.
pub(crate) fn headline(plan: &Plan) -> String {
    let name = match plan.environment.as_ref() {
        "default" => visible(&plan.stack),
        environment => format!("{} ({})", visible(&plan.stack), visible(environment)),
    };
    if plan.is_empty() && !plan.in_doubt.is_empty() {
        return format!("{}: nothing else to do, but something is in doubt.", bold(&name));
    }
    if plan.is_empty() {
        return match plan.kind {
            PlanKind::Apply => format!("{}: nothing to do, the world is as declared.", bold(&name)),
            PlanKind::Destroy => format!("{}: nothing to destroy.", bold(&name)),
            PlanKind::Fix => format!("{}: nothing to fix, all is in true.", bold(&name)),
        };
    }
    let what = summary(plan);
    if what.is_empty() {
        return format!("{}: only records and outputs change.", bold(&name));
    }
    format!("{}: {what}.", bold(&name))
}

/// `1 to create, 2 to update`: what happens how often; empty when nothing does.
fn summary(plan: &Plan) -> String {
    let mut summary = plan.summary();
    // What was adopted and is given back is more than forgotten.
    let restored = changes::restored(plan).len();
    summary.forget -= restored;
    let parts = [
        (summary.create, Action::Create, Action::Create.word()),
        (summary.import, Action::Import, Action::Import.word()),
        (summary.adopt, Action::Adopt, Action::Adopt.word()),
        (summary.update, Action::Update, Action::Update.word()),
        (summary.replace, Action::Replace, Action::Replace.word()),
        (summary.delete, Action::Delete, Action::Delete.word()),
        (restored, Action::Update, "restore"),
        (summary.forget, Action::Forget, Action::Forget.word()),
        (summary.read, Action::Read, Action::Read.word()),
    ];
    let words = parts.iter().filter(|(number, ..)| *number > 0);
    words.map(|(number, action, word)| paint(*action, &format!("{number} to {word}"))).collect::<Vec<_>>().join(", ")
}

/// A text in the colour of an action.
pub(crate) fn paint(action: Action, text: &str) -> String {
    match action {
        Action::Create => green(text),
        Action::Adopt | Action::Import => magenta(text),
        Action::Update => yellow(text),
        Action::Replace | Action::Delete => red(text),
        Action::Forget | Action::Read => cyan(text),
        Action::NoOp => dim(text),
    }
}

/// The sign of an action.
pub(crate) fn sign(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Adopt => "*",
        Action::Import => "<",
        Action::Update => "~",
        Action::Replace => "±",
        Action::Delete => "-",
        Action::Forget => "x",
        Action::Read => "?",
        Action::NoOp => " ",
    }
}

/// Lines that are being laid out.
pub(crate) struct Screen {
    detail: Detail,
    text: String,
    lines: usize,
}

impl Screen {
    /// An empty one.
    pub(crate) fn new(detail: Detail) -> Self {
        Screen { detail, text: String::new(), lines: 0 }
    }

    /// What was laid out.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// The columns of the screen.
    pub(crate) fn width(&self) -> usize {
        self.detail.width
    }

    /// An empty line, unless nothing is above it.
    pub(crate) fn separate(&mut self) {
        if self.lines > 0 {
            self.blank();
        }
    }

    /// A line; where it is too wide it is broken, colours and all.
    pub(crate) fn line(&mut self, line: &str) {
        for line in break_styled(line, self.detail.width) {
            self.text.push_str(&line);
            self.text.push('\n');
            self.lines += 1;
        }
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) {
        self.line("");
    }

    /// The words of a text without colours behind a head; further lines stand below its beginning.
    pub(crate) fn words(&mut self, head: &str, text: &str) {
        let indent = width(&crate::cli::console::plain(head));
        let indent_below = if indent * 2 > self.detail.width { 4 } else { indent };
        let mut room = self.detail.width.saturating_sub(indent);
        if indent_below < indent {
            // Too narrow for the head and the text side by side.
            self.line(head.trim_end());
            room = self.detail.width.saturating_sub(indent_below);
        }
        for (position, line) in wrap(text, room).iter().enumerate() {
            let head = if position == 0 && indent_below == indent { head.to_owned() } else { " ".repeat(indent_below) };
            self.line(&format!("{head}{line}"));
        }
    }
}

/// Many names in a few words.
pub(crate) fn names<T: ToString>(names: &[T], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| visible(&name.to_string())).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), count(more, "other", "others")),
    }
}

#[cfg(test)]
mod tests;
