//! Providers with another way to the same objects: one cloud behind two addresses, of which the first goes out.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::{Action, Fault, Method};
use serde_json::{Value as Json, json};

use crate::environment::front::Front;
use crate::environment::{Environment, stack};

/// So quick that nobody waits for a test.
const QUICK: &str = "resilience.retry = { first_wait = \"10ms\", jitter = \"none\" }\n";

struct Stage {
    server: Server,
    first: Front,
    second: Front,
    place: Environment,
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// A cloud with two addresses, and buckets in it.
fn stage(buckets: usize) -> Stage {
    let server = Server::start().unwrap();
    let (first, second) = (Front::of(port(&server.url())), Front::of(port(&server.url())));
    let place = Environment::with(&toml(&first, Some(&second), buckets));
    Stage { server, first, second, place }
}

fn toml(first: &Front, second: Option<&Front>, buckets: usize) -> String {
    let mut toml = format!("[provider.testcloud]\nurl = \"{}\"\n{QUICK}", first.url());
    if let Some(second) = second {
        toml.push_str(&format!("resilience.fallback = [{{ url = \"{}\" }}]\n", second.url()));
    }
    for number in 0..buckets {
        toml.push_str(&format!("\n[resource.testcloud_bucket.b{number}]\nname = \"b{number}\"\n"));
    }
    toml
}

impl Stage {
    /// How many objects there are in the cloud.
    fn truth(&self) -> usize {
        self.server.cloud().truth().len()
    }

    /// How many effects there were on objects in the cloud.
    fn effects(&self) -> usize {
        self.server.cloud().audit().len()
    }

    /// What is shown, with the ports replaced by words.
    fn plain(&self, text: &str) -> String {
        let first = self.first.url();
        text.replace(&first, "[FIRST]").replace(&self.second.url(), "[SECOND]")
    }

    /// The events of a run, one a line, without what is of the moment.
    fn events(&self, shown: &str) -> String {
        let events = shown.lines().map(|line| {
            let mut event: Json = serde_json::from_str(line).unwrap();
            let entries = event.as_object_mut().unwrap();
            for name in ["ts", "run_id", "of", "duration_ms", "step", "idempotency_key"] {
                entries.remove(name);
            }
            if let Some(Json::Object(error)) = entries.get_mut("error") {
                // What the system says of a connection that broke is not ours.
                error.remove("message");
            }
            let name = entries.remove("event").unwrap();
            format!("{} {event}\n", name.as_str().unwrap())
        });
        self.plain(&events.collect::<String>())
    }
}

fn of(shown: &str, name: &str) -> Vec<Json> {
    let events = shown.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    events.filter(|event| event["event"] == name).collect()
}

#[test]
fn a_plan_is_made_through_the_other_address_and_says_so() {
    let stage = stage(2);
    stage.first.goes_out();
    let shown = stage.place.run(&["plan"]).ends(0);
    insta::assert_snapshot!("fallback_plan", stage.plain(&shown.screen()));
    let plan = stage.place.run(&["plan", "--json"]).ends(0).json();
    let moved = json!([{"provider": "testcloud", "fallback": 1, "reason": "it cannot be reached"}]);
    assert_eq!(plan["moved_over"], moved, "{plan:#}");
    // Where the first address is there, nothing is said, and nothing else is asked.
    stage.first.comes_back();
    stage.second.passed();
    let plan = stage.place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((plan.get("moved_over"), stage.second.passed()), (None, 0));
}

#[test]
fn a_run_whose_address_goes_out_is_finished_through_the_other_one() {
    let stage = stage(4);
    stage.first.goes_out_after(2, false);
    let shown = stage.place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    insta::assert_snapshot!("fallback_events", stage.events(&shown.stdout));
    assert_eq!((stage.truth(), stage.effects()), (4, 4), "each was made once");
    // It is in the history, and the record is that of the objects, however they are reached.
    assert_eq!(stage.place.journal().iter().filter(|(word, _)| word == "moved_over").count(), 1);
    let shown = stage.place.run(&["runs", "show", &stage.place.runs()[0]]).ends(0);
    assert!(shown.screen().contains("is reached by its fallback 1"), "{}", shown.screen());
    stage.first.comes_back();
    stage.second.passed();
    stage.place.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert_eq!(stage.second.passed(), 0, "the next run begins with the first address");
}

#[test]
fn a_run_that_went_over_does_not_go_back() {
    let stage = stage(3);
    stage.first.goes_out();
    stage.place.run(&["plan", "-o", "kept.plan"]).ends(0);
    // The plan says what it was made through; who carries it out begins with the first address, which is out.
    let reviewed = stage.place.run(&["show", "kept.plan"]).ends(0);
    assert!(reviewed.screen().contains("reached by its fallback 1"), "{}", reviewed.screen());
    let shown = stage.place.run(&["apply", "kept.plan", "--yes", "--parallelism", "1"]).ends(0);
    insta::assert_snapshot!("fallback_apply", stage.plain(&shown.screen()));
    // The second address goes out in the next run, too: that is no reason to go back.
    stage.place.write("retrue.toml", stack(&toml(&stage.first, Some(&stage.second), 5)));
    stage.second.goes_out_after(1, false);
    let shown = stage.place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(4);
    assert_eq!((of(&shown.stdout, "moved_over").len(), stage.truth()), (1, 4));
    stage.first.comes_back();
    stage.place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((stage.truth(), stage.effects()), (5, 5));
}

#[test]
fn what_was_done_and_its_answer_lost_is_found_through_the_other_address() {
    let stage = stage(3);
    stage.first.goes_out_after(1, true);
    let shown = stage.place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    insta::assert_snapshot!("fallback_lost_answer", stage.events(&shown.stdout));
    assert_eq!((stage.truth(), stage.effects()), (3, 3), "nothing was made twice");
    // An object without a name of its own is found by the mark that it carries.
    let second = self::stage(0);
    let instance = "\n[resource.testcloud_instance.i]\nimage = \"x\"\nsize = \"small\"\n";
    second.place.write("retrue.toml", stack(&format!("{}{instance}", toml(&second.first, Some(&second.second), 0))));
    second.first.goes_out_after(0, true);
    second.place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(second.truth(), 1);
}

#[test]
fn an_undo_in_a_later_run_has_the_other_address_from_the_journal() {
    let stage = stage(3);
    stage.place.run(&["apply", "--yes"]).ends(0);
    // The stack does not say it any more.
    stage.place.write("retrue.toml", stack(&toml(&stage.first, None, 3)));
    stage.first.goes_out();
    let shown = stage.place.run(&["compensate", "--yes", "--json"]).ends(0);
    assert_eq!(of(&shown.stdout, "moved_over").len(), 1, "{}", shown.screen());
    assert_eq!((stage.truth(), stage.effects()), (0, 6));
    assert_eq!(stage.place.journal().iter().filter(|(word, _)| word == "moved_over").count(), 1);
}

#[test]
fn an_undo_goes_over_in_its_middle_and_a_lost_answer_is_looked_at() {
    for done in [false, true] {
        let stage = stage(3);
        stage.place.run(&["apply", "--yes"]).ends(0);
        stage.first.goes_out_after(1, done);
        stage.place.run(&["compensate", "--yes", "--parallelism", "1"]);
        // What is in doubt after all is settled by a look, and so it is in the next run.
        let _ = stage.place.run(&["compensate", "--yes"]);
        assert_eq!(stage.truth(), 0, "done: {done}");
        assert_eq!(stage.effects(), 6, "nothing was deleted twice");
    }
}

#[cfg(feature = "crash-points")]
#[test]
fn doubt_that_a_crash_left_is_settled_through_the_other_address() {
    let stage = stage(2);
    super::crash::abort(&stage.place, &["apply", "--yes"], &("apply/effect/after".to_owned(), 1));
    stage.first.goes_out();
    stage.place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((stage.truth(), stage.effects()), (2, 2));
}

#[test]
fn what_the_other_side_answers_is_no_reason_to_go_elsewhere() {
    let stage = stage(2);
    let refused = Action::ErrorBefore { status: 403, retry_after: None };
    stage.server.cloud().add_fault(Fault::at(Method::Post, "buckets", refused).always());
    let shown = stage.place.run(&["apply", "--yes", "--json"]).ends(1);
    assert_eq!((of(&shown.stdout, "moved_over").len(), stage.second.passed()), (0, 0));
}

#[test]
fn an_address_that_works_and_says_unavailable_is_left_when_its_breaker_opens() {
    let stage = stage(1);
    stage.place.run(&["apply", "--yes"]).ends(0);
    stage.place.write(
        "retrue.toml",
        stack(&toml(&stage.first, Some(&stage.second), 6).replace("\"none\" }", "\"none\", attempts = 9 }")),
    );
    // As many as open the breaker, and then all works: whoever went over did not wait for it to close.
    let unavailable = Action::ErrorBefore { status: 503, retry_after: None };
    stage.server.cloud().add_fault(Fault { times: 5, ..Fault::at(Method::Post, "buckets", unavailable) });
    let shown = stage.place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    assert_eq!(of(&shown.stdout, "moved_over")[0]["message"], "it does not work (transient)");
    assert_eq!((of(&shown.stdout, "step_held").len(), of(&shown.stdout, "step_retrying").len()), (0, 5));
    assert_eq!((stage.truth(), stage.effects()), (6, 6));
}

#[test]
fn secrets_of_the_other_way_are_kept_as_those_of_the_first() {
    const SECRET: &str = "the-token-of-the-second-way";
    let stage = stage(1);
    stage.server.cloud().settings().token = Some(SECRET.into());
    let toml = toml(&stage.first, None, 1);
    let entry = format!("url = \"{}\", token = \"${{var.token}}\"", stage.second.url());
    let toml = toml.replace(QUICK, &format!("{QUICK}resilience.fallback = [{{ {entry} }}]\n"));
    stage
        .place
        .write("retrue.toml", stack(&format!("[variable.token]\ntype = \"string\"\nsensitive = true\n\n{toml}")));
    stage.first.goes_out();
    let token = format!("token={SECRET}");
    let planned = stage.place.run(&["plan", "--var", &token, "-o", "kept.plan"]).ends(0);
    let shown = stage.place.run(&["apply", "kept.plan", "--yes", "--json"]).ends(0);
    assert!(!planned.all().contains(SECRET) && !shown.all().contains(SECRET));
    assert_eq!(stage.truth(), 1);
    stage.place.holds_nowhere(SECRET);
    // Wrong, it is told, and without its value.
    let wrong = "wrong-and-secret-all-the-same";
    let shown = stage.place.run(&["plan", "--var", &format!("token={wrong}")]).ends(1);
    assert!(!shown.all().contains(wrong), "{}", shown.screen());
    // An undo needs it, and has it from the journal.
    stage.place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(stage.truth(), 0);
}

#[test]
fn what_is_known_only_while_applying_may_stand_in_an_entry() {
    let stage = stage(0);
    let (first, second) = (stage.first.url(), stage.second.url());
    let late = format!(
        "[resource.retrue_data.where]\ninput = \"{second}\"\n\n[provider.testcloud]\nurl = \"{first}\"\n{QUICK}\
         resilience.fallback = [{{ url = \"${{retrue_data.where.output}}\" }}]\n\n\
         [resource.testcloud_bucket.b]\nname = \"b\"\n"
    );
    stage.place.write("retrue.toml", stack(&late));
    stage.first.goes_out();
    let shown = stage.place.run(&["apply", "--yes", "--json"]).ends(0);
    assert_eq!(of(&shown.stdout, "moved_over").len(), 1, "{}", shown.screen());
    assert_eq!(stage.truth(), 1);
    stage.place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(stage.truth(), 0);
}

#[test]
fn it_is_counted() {
    let stage = stage(1);
    stage.first.goes_out();
    let toml = format!("[stack.metrics]\ntextfile = \"retrue.prom\"\n\n{}", toml(&stage.first, Some(&stage.second), 1));
    stage.place.write("retrue.toml", stack(&toml));
    stage.place.run(&["apply", "--yes"]).ends(0);
    let counted = stage.place.read("retrue.prom");
    let line = counted.lines().find(|line| line.starts_with("retrue_provider_fallbacks_total{")).unwrap_or(&counted);
    assert!(line.contains("provider=\"testcloud\"") && line.ends_with(" 1"), "{line}");
}

#[test]
fn a_reconcile_looks_through_the_other_address_and_says_so() {
    let stage = stage(2);
    stage.place.run(&["apply", "--yes"]).ends(0);
    stage.first.goes_out();
    let shown = stage.place.run(&["reconcile"]).ends(0);
    assert!(shown.screen().contains("fallback 1"), "{}", shown.screen());
    let shown = stage.place.run(&["reconcile", "--json"]).ends(0);
    assert_eq!(of(&shown.stdout, "moved_over").len(), 1, "{}", shown.screen());
}

#[test]
fn what_is_declared_is_checked_and_shown() {
    let stage = stage(0);
    let entries =
        "resilience.fallback = [{ url = \"http://x\", token = \"kept-to-itself\" }, { urll = \"http://y\" }]\n";
    let toml = toml(&stage.first, None, 0).replace(QUICK, entries);
    stage.place.write("retrue.toml", stack(&toml));
    let shown = stage.place.run(&["validate"]).ends(1).tells("RT0151", &["urll", "did you mean `url`?"]);
    insta::assert_snapshot!("fallback_validate", stage.plain(&shown.screen()));
    stage.place.write("retrue.toml", stack(&toml.replace("urll", "url")));
    stage.place.run(&["validate"]).ends(0);
    let shown = stage.place.run(&["config", "--json"]).ends(0).json();
    let resilience = &shown["providers"]["testcloud"]["resilience"];
    assert_eq!(resilience["fallback"], json!([["token", "url"], ["url"]]), "{resilience:#}");
    let shown = stage.place.run(&["config"]).ends(0);
    assert!(shown.stdout.contains("fallback 1: with another token, url\n"), "{}", shown.screen());
    assert!(!shown.all().contains("kept-to-itself"), "{}", shown.screen());
    // What a provider refuses of an entry is told at the entry.
    stage.place.write("retrue.toml", stack(&toml.replace("urll = \"http://y\"", "url = \"no address\"")));
    stage.place.run(&["validate"]).ends(1).tells("RT0413", &["no address"]);
}

#[test]
fn an_entry_that_leads_to_another_cloud_gets_nothing() {
    let stage = stage(2);
    let other = Server::start().unwrap();
    let elsewhere = Front::of(port(&other.url()));
    stage.place.write("retrue.toml", stack(&toml(&stage.first, Some(&elsewhere), 2)));
    stage.place.run(&["apply", "--yes"]).ends(0);
    let nothing_there = |verb: &[&str]| {
        stage.place.run(verb).ends(1).tells("RT0428", &["fallback 1", "nothing of what is recorded is there"]);
        assert!(other.cloud().truth().is_empty(), "{verb:?}");
    };
    stage.first.goes_out();
    for verb in [&["plan"][..], &["apply", "--yes"], &["destroy", "--yes"], &["reconcile", "--fix", "--yes"]] {
        nothing_there(verb);
    }
    // A run that finds out in its middle has something that was there a moment ago.
    stage.first.comes_back();
    stage.place.write("retrue.toml", stack(&toml(&stage.first, Some(&elsewhere), 5)));
    stage.first.goes_out_after(1, false);
    let shown = stage.place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(4);
    // That what was sent is not there says nothing there: it stays in doubt until the right cloud says.
    let told =
        [of(&shown.stdout, "moved_over"), of(&shown.stdout, "step_in_doubt"), of(&shown.stdout, "step_resolved")];
    assert_eq!((told.map(|events| events.len()), other.cloud().truth().len()), ([1, 1, 0], 0));
    // So it does where the answer was lost.
    stage.first.comes_back();
    stage.place.run(&["apply", "--yes", "--target", "testcloud_bucket.b2", "--target", "testcloud_bucket.b3"]).ends(0);
    stage.first.goes_out_after(0, true);
    stage.place.run(&["apply", "--yes"]).ends(4);
    assert_eq!(other.cloud().truth().len(), 0);
    stage.first.comes_back();
    stage.place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((stage.truth(), stage.effects(), other.cloud().truth().len()), (5, 5, 0));
}

#[test]
fn a_recorded_run_that_went_over_is_replayed_with_nothing_outside() {
    const SECRET: &str = "the-token-of-the-second-way";
    for done in [false, true] {
        let stage = stage(0);
        stage.server.cloud().settings().token = Some(SECRET.into());
        let toml = toml(&stage.first, None, 4);
        let entry = format!("url = \"{}\", token = \"{SECRET}\"", stage.second.url());
        let own = format!("token = \"{SECRET}\"\n{QUICK}resilience.fallback = [{{ {entry} }}]\n");
        stage.place.write("retrue.toml", stack(&toml.replace(QUICK, &own)));
        stage.first.goes_out_after(2, done);
        stage.place.run(&["apply", "--yes", "--record", "trace", "--parallelism", "1"]).ends(0);
        assert_eq!((stage.truth(), stage.effects()), (4, 4));
        assert!(!stage.place.read("trace").contains(SECRET));
        stage.second.goes_out();
        let told = stage.place.run(&["replay", "trace", "--json"]).ends(0).json();
        assert_eq!((&told["same"], &told["complete"], &told["differences"]), (&json!(true), &json!(true), &json!([])));
    }
}

#[test]
fn what_did_not_succeed_is_run_again_through_the_other_address() {
    let stage = stage(4);
    stage.first.goes_out_after(1, false);
    stage.second.goes_out_after(1, false);
    stage.place.run(&["apply", "--yes", "--parallelism", "1", "--on-failure", "halt"]);
    assert_eq!(stage.truth(), 2);
    stage.second.comes_back();
    let run = stage.place.runs().pop().unwrap();
    let shown = stage.place.run(&["runs", "replay", &run, "--yes", "--json"]).ends(0);
    // Who settles what is in doubt finds out, and so does who goes on: each run begins as it is configured.
    assert_eq!(of(&shown.stdout, "moved_over").len(), 2, "{}", shown.screen());
    assert_eq!((stage.truth(), stage.effects()), (4, 4));
}
