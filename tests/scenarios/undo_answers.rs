//! Undos whose answers are lost: what came of them is looked at within the run, which goes on from there.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::Value as Json;

use crate::environment::front::Front;
use crate::environment::{Environment, stack};

const QUICK: &str =
    "resilience = { retry = { first_wait = \"10ms\", jitter = \"none\" }, breaker = { hold = \"10ms\" } }\n";

/// A cloud with what a run has made, changed and removed, one of each.
struct Stage {
    server: Server,
    front: Front,
    place: Environment,
    before: String,
}

fn toml(front: &Front, changed: &str, more: &str) -> String {
    format!(
        "[provider.testcloud]\nurl = \"{}\"\n{QUICK}\n[resource.testcloud_bucket.changed]\nname = \"changed\"\n{changed}\n{more}",
        front.url()
    )
}

impl Stage {
    fn new() -> Stage {
        let server = Server::start().unwrap();
        let front = Front::of(server.url().rsplit(':').next().unwrap().parse().unwrap());
        let removed = "[resource.testcloud_bucket.removed]\nname = \"removed\"\n";
        let place = Environment::with(&toml(&front, "versioning = false", removed));
        place.run(&["apply", "--yes"]).ends(0);
        let before = truth(&server);
        let made = "[resource.testcloud_bucket.made]\nname = \"made\"\n";
        place.write("retrue.toml", stack(&toml(&front, "versioning = true", made)));
        place.run(&["apply", "--yes"]).ends(0);
        Stage { server, front, place, before }
    }

    fn effects(&self) -> usize {
        self.server.cloud().audit().len()
    }

    fn compensate(&self) -> (i32, Vec<Json>) {
        let shown = self.place.run(&["compensate", "--yes", "--json", "--parallelism", "1"]);
        let events = shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (shown.code, events)
    }

    #[track_caller]
    fn is_as_before(&self) {
        assert_eq!(truth(&self.server), self.before);
        assert_eq!(self.place.recorded().len(), 2);
    }
}

/// What there is, without the count of how often it was looked at.
fn truth(server: &Server) -> String {
    let mut truth = server.cloud().truth();
    for object in &mut truth {
        object.attributes.remove("reads");
    }
    format!("{truth:#?}")
}

fn count(events: &[Json], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

#[test]
fn what_came_of_an_undo_is_looked_at_within_its_run() {
    for method in [Method::Delete, Method::Patch, Method::Post] {
        // Done or not, the answer does not come; or one comes that says nothing of it.
        for (action, done) in [
            (Action::LoseAnswer, true),
            (Action::Reset, false),
            (Action::ErrorAfter { status: 500 }, true),
            (Action::ErrorBefore { status: 500, retry_after: None }, false),
        ] {
            let stage = Stage::new();
            let before = stage.effects();
            let what = format!("{method:?} {action:?}");
            stage.server.cloud().add_fault(Fault::at(method, "buckets", action));
            let (code, events) = stage.compensate();
            assert_eq!((code, count(&events, "step_in_doubt"), count(&events, "undo_stuck")), (0, 0, 0), "{what}");
            assert_eq!(count(&events, "undo_finished"), 3, "{what}");
            assert_eq!(count(&events, "step_retrying"), usize::from(!done), "{what}");
            // Each once, whatever was said.
            assert_eq!(stage.effects() - before, 3, "{what}");
            stage.is_as_before();
        }
    }
}

#[test]
fn what_cannot_be_looked_at_stays_in_doubt_until_it_can() {
    for (writes, done) in [(0, true), (1, true), (2, true), (0, false), (2, false)] {
        let stage = Stage::new();
        let before = stage.effects();
        // With the answer the address goes out: whoever looks finds nobody.
        stage.front.goes_out_after(writes, done);
        let (code, events) = stage.compensate();
        let what = format!("{writes} {done}");
        assert_eq!((code, count(&events, "step_in_doubt")), (4, 1), "{what}: {events:#?}");
        stage.front.comes_back();
        let (code, events) = stage.compensate();
        assert_eq!((code, count(&events, "undo_finished")), (0, 3 - writes - usize::from(done)), "{what}: {events:#?}");
        assert_eq!(stage.effects() - before, 3, "{what}");
        stage.is_as_before();
    }
}
