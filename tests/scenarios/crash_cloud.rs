//! The real program, aborted at each of its crash points, against a cloud that gives the ids and
//! holds the truth: no orphan, no duplicate.

use retrue_provider_testcloud::Server;

use super::clouds::{APPLY, COMPENSATE, PAST, changing, nothing_is_lost, truth};
use super::crash::{SUITE, abort, chosen, each, passings};
use crate::environment::tally::Tally;
use crate::environment::{Environment, stack};

#[test]
fn a_cloud_goes_on_or_back_from_every_point() {
    let tally = Tally::of_a_part(SUITE, "an apply in a cloud, gone on from and back from");
    let (server, place) = changing();
    let before = truth(&server);
    let applying = passings(&place, &APPLY);
    let desired = truth(&server);
    assert_ne!(before, desired);
    nothing_is_lost(&server, &place, "without a crash");
    let points: Vec<_> = applying.into_iter().filter(|(name, _)| !name.starts_with("store.replace")).collect();
    tally.count("points there are", points.len() as u64);
    each(&chosen(points), |case, when| {
        tally.scenarios(2);
        let (server, place) = changing();
        abort(&place, &APPLY, case);
        place.run(&APPLY).ends(0);
        assert_eq!(truth(&server), desired, "{when}");
        nothing_is_lost(&server, &place, when);
        let again = place.run(&APPLY).ends(0);
        assert!(again.stdout.contains("nothing to do"), "{when}: {}", again.screen());

        let (server, place) = changing();
        abort(&place, &APPLY, case);
        let shown = place.run(&PAST).ends(0);
        assert_eq!(truth(&server), before, "{when}, compensated: {}", shown.screen());
        nothing_is_lost(&server, &place, &format!("{when}, compensated"));
        assert_eq!(place.run(&COMPENSATE).ends(0).stdout, "nothing to compensate\n");
    });
}

#[test]
fn what_cannot_be_found_again_is_asked_for_and_never_made_twice() {
    let server = Server::start().unwrap();
    let place = Environment::with_stack(&stack(&format!(
        "[provider.testcloud]\nurl = \"{}\"\n\n[resource.testcloud_token.t]\nscope = \"deploy\"\n",
        server.url()
    )));
    abort(&place, &APPLY, &("apply/effect/after".to_owned(), 1));
    for _ in 0..2 {
        place.run(&APPLY).ends(4);
        assert_eq!(server.cloud().truth().len(), 1, "one token, and not one more");
    }
    let id = server.cloud().truth()[0].id.clone();
    place.run(&["resolve", "testcloud_token.t", "--id", &id]).ends(0);
    place.run(&APPLY).ends(0);
    nothing_is_lost(&server, &place, "after the answer");
    place.run(&COMPENSATE).ends(0);
    assert_eq!(truth(&server), Vec::<String>::new());
}
