//! The time line of a run: when each step was at work, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::plan::{Detail, Screen};
use super::text::{bold, count, dim, green, red, visible, width, yellow};
use crate::plan::StepId;
use crate::saga::{Event, Journaled};

/// How many lines are drawn; of more, those that took longest.
const LINES: usize = 40;
/// How wide the line is at most, in columns.
const WIDEST: usize = 48;
/// And at least.
const NARROWEST: usize = 10;

/// One try of a step, or of its undo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Try {
    /// From the beginning of the run.
    pub(crate) from: Duration,
    /// From the beginning of the run; `None` where nothing is written about its end.
    pub(crate) to: Option<Duration>,
    /// How it ended.
    pub(crate) ended: Ended,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it should.
    Well,
    /// It failed, at least in part.
    Failed,
    /// Nobody knew.
    InDoubt,
}

/// When one step was at work.
#[derive(Clone, Debug)]
pub(crate) struct Work<'h> {
    /// The step.
    pub(crate) step: &'h StepId,
    /// Whether it is the undo of it.
    pub(crate) undo: bool,
    /// Its tries, in order.
    pub(crate) tries: Vec<Try>,
}

impl Work<'_> {
    /// How long it was at work.
    pub(crate) fn took(&self) -> Duration {
        self.tries.iter().filter_map(|one| one.to?.checked_sub(one.from)).sum()
    }
}

/// When each step was at work, in the order in which they began, and how long all of it took.
pub(crate) fn works(events: &[Journaled]) -> (Vec<Work<'_>>, Duration) {
    // What people say of a run afterwards, and what they find out, is no part of its time.
    let end = events.iter().position(|event| matches!(event.event, Event::RunFinished(_)));
    let events = end.and_then(|end| events.get(..=end)).unwrap_or(events);
    let mut times = events.iter().filter_map(|event| event.time.parse::<Timestamp>().ok());
    let (Some(first), Some(last)) = (times.clone().next(), times.next_back()) else {
        return (Vec::new(), Duration::ZERO);
    };
    let since = |time: &str| {
        let time = time.parse::<Timestamp>().ok()?;
        Duration::try_from(time.duration_since(first)).ok()
    };
    let mut works: Vec<Work<'_>> = Vec::new();
    let mut places: BTreeMap<(&StepId, bool), usize> = BTreeMap::new();
    for event in events {
        let (Some(step), Some(at)) = (&event.step, since(&event.time)) else { continue };
        let (undo, ended) = match &event.event {
            Event::StepBegin(_) => (false, None),
            Event::UndoBegin(_) => (true, None),
            Event::StepApplied(_) | Event::StepResolved(_) | Event::Deposed(_) => (false, Some(Ended::Well)),
            Event::StepPartial(_) | Event::StepNotApplied(_) => (false, Some(Ended::Failed)),
            Event::StepUnknown(_) => (false, Some(Ended::InDoubt)),
            Event::Undone(_) => (true, Some(Ended::Well)),
            Event::UndoStuck(stuck) => (true, Some(if stuck.in_doubt { Ended::InDoubt } else { Ended::Failed })),
            _ => continue,
        };
        let place = *places.entry((step, undo)).or_insert_with(|| {
            works.push(Work { step, undo, tries: Vec::new() });
            works.len() - 1
        });
        let Some(work) = works.get_mut(place) else { continue };
        match (ended, work.tries.last_mut().filter(|one| one.to.is_none())) {
            (None, _) => work.tries.push(Try { from: at, to: None, ended: Ended::InDoubt }),
            (Some(ended), Some(open)) => (open.to, open.ended) = (Some(at), ended),
            // What only changed the record, or was found out later.
            (Some(_), None) => {}
        }
    }
    works.retain(|work| !work.tries.is_empty());
    (works, Duration::try_from(last.duration_since(first)).unwrap_or_default())
}

/// Draws it.
pub(super) fn draw(screen: &mut Screen, events: &[Journaled], detail: Detail) {
    let (mut works, total) = works(events);
    if works.is_empty() || total.is_zero() {
        return;
    }
    let left_out = works.len().saturating_sub(if detail.all { usize::MAX } else { LINES });
    if left_out > 0 {
        let mut longest: Vec<usize> = (0..works.len()).collect();
        longest.sort_by_key(|at| std::cmp::Reverse(works.get(*at).map(Work::took)));
        let drawn: std::collections::BTreeSet<usize> = longest.into_iter().take(LINES).collect();
        let mut at = 0;
        works.retain(|_| {
            at += 1;
            drawn.contains(&(at - 1))
        });
    }
    let name = |work: &Work<'_>| {
        let address = visible(&work.step.address.to_string());
        if work.undo { format!("{address}, undone") } else { address }
    };
    let names = works.iter().map(|work| width(&name(work))).max().unwrap_or_default();
    let columns = screen.width().saturating_sub(names + 38).clamp(NARROWEST, WIDEST);
    screen.blank();
    screen.line(&format!("{} {}", bold("Time line:"), seconds(total)));
    for work in &works {
        let named = name(work);
        let from = work.tries.first().map(|one| one.from).unwrap_or_default();
        let tries = match work.tries.len() {
            0 | 1 => String::new(),
            more => format!(", {}", count(more, "try", "tries")),
        };
        screen.line(&format!(
            "  {named}{}  {}  {}",
            " ".repeat(names.saturating_sub(width(&named))),
            bar(&work.tries, total, columns),
            dim(&format!("at {}, {}{tries}", seconds(from), seconds(work.took()))),
        ));
    }
    if left_out > 0 {
        screen.line(&dim(&format!("  and {} that took less: `-v` shows all", count(left_out, "step", "steps"))));
    }
}

/// When it was at work, as a line of so many columns.
fn bar(tries: &[Try], total: Duration, columns: usize) -> String {
    let mut cells: Vec<Option<Ended>> = vec![None; columns];
    for one in tries {
        let (first, last) = (cell(one.from, total, columns), cell(one.to.unwrap_or(total), total, columns));
        for cell in cells.iter_mut().take(last + 1).skip(first) {
            *cell = Some(one.ended);
        }
    }
    let drawn = cells.iter().map(|cell| match cell {
        None => dim("·"),
        Some(Ended::Well) => green("█"),
        Some(Ended::Failed) => red("▒"),
        Some(Ended::InDoubt) => yellow("?"),
    });
    drawn.collect()
}

/// The column of a moment.
fn cell(moment: Duration, total: Duration, columns: usize) -> usize {
    let (moment, total) = (moment.as_micros(), total.as_micros().max(1));
    let column = moment.saturating_mul(columns as u128) / total;
    usize::try_from(column).unwrap_or(usize::MAX).min(columns.saturating_sub(1))
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::plan::{ObjectKey, StepEffect};
    use crate::saga::{JOURNAL_VERSION, StepEnd, StepFailure};
    use retrue_provider_api::Category;

    fn at(seconds: u64, name: &str, event: Event) -> Journaled {
        let step = StepId {
            address: format!("t.{name}").parse().unwrap(),
            object: ObjectKey::Current,
            effect: StepEffect::Create,
            plan: "p".into(),
        };
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        Journaled {
            v: JOURNAL_VERSION,
            time: format!("2026-01-01T00:{minutes:02}:{seconds:02}.000Z"),
            address: Some(step.address.clone()),
            step: Some(step),
            event,
        }
    }

    fn began() -> Event {
        crate::saga::tests::begun()
    }

    fn failed() -> Event {
        Event::StepNotApplied(StepFailure {
            code: "RT0501".into(),
            category: Category::Transient,
            message: "no".into(),
            retryable: true,
            retry_after: None,
        })
    }

    fn done() -> Event {
        Event::StepApplied(Box::new(StepEnd { object: None, error: None }))
    }

    fn drawn(events: Vec<Journaled>, columns: usize, all: bool) -> String {
        let detail = Detail { width: columns, all };
        let mut screen = Screen::new(detail);
        draw(&mut screen, &events, detail);
        anstream::adapter::strip_str(&screen.finish()).to_string()
    }

    #[test]
    fn each_try_is_drawn_where_it_was() {
        let events = vec![
            at(0, "network", began()),
            at(10, "network", done()),
            at(10, "a", began()),
            at(12, "a", failed()),
            at(20, "a", began()),
            at(30, "a", done()),
            at(10, "much_longer_name", began()),
            at(40, "much_longer_name", Event::StepUnknown(Box::new(StepEnd { object: None, error: None }))),
        ];
        assert_snapshot!(drawn(events.clone(), 80, false));
        // However narrow it is, there is a line.
        assert!(drawn(events, 20, false).lines().all(|line| line.is_empty() || !line.ends_with(' ')));
    }

    #[test]
    fn what_is_set_aside_for_its_successor_has_ended_well() {
        let set_aside = Event::Deposed(Box::new(StepEnd { object: None, error: None }));
        let events = vec![at(0, "old", began()), at(1, "old", set_aside), at(1, "new", began()), at(3, "new", done())];
        let (works, _) = works(&events);
        assert_eq!(works.iter().map(|work| work.tries[0].ended).collect::<Vec<_>>(), [Ended::Well; 2]);
        assert!(!drawn(events, 80, false).contains('?'));
    }

    #[test]
    fn of_many_those_that_took_longest_are_drawn_in_the_order_of_time() {
        let events: Vec<Journaled> = (0..100)
            .flat_map(|n: u64| {
                [at(n * 5, &format!("n{n:03}"), began()), at(n * 5 + 1 + n % 4, &format!("n{n:03}"), done())]
            })
            .collect();
        let some = drawn(events.clone(), 80, false);
        assert_eq!(some.lines().filter(|line| line.contains("t.n")).count(), LINES);
        assert!(some.contains("and 60 steps that took less"), "{some}");
        let names: Vec<&str> = some
            .lines()
            .filter_map(|line| line.trim().split_once(' '))
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("t.n"))
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.contains(&"t.n003") && !names.contains(&"t.n000"));
        assert_eq!(drawn(events, 80, true).lines().filter(|line| line.contains("t.n")).count(), 100);
    }

    #[test]
    fn a_run_without_steps_has_none() {
        assert_eq!(drawn(Vec::new(), 80, false), "");
    }
}
