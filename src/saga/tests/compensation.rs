//! What has to be undone, and what waits for what.

use retrue_provider_api::Path;

use super::*;
use crate::address::InstanceKey;
use crate::saga::compensation::{Earlier, Undo, Unwinding, inverse, stands_again, undos};

/// A step that was carried out.
struct Did {
    id: StepId,
    dependencies: Vec<BlockAddress>,
    image: ImageEvent,
    generation: u64,
}

fn did(name: &str, effect: StepEffect) -> Did {
    Did { id: step(name, effect), dependencies: Vec::new(), image: image(), generation: 1 }
}

impl Did {
    /// It depends on these blocks.
    fn on(mut self, names: &[&str]) -> Self {
        self.dependencies = names.iter().map(|name| block(name)).collect();
        self
    }

    /// Before it, a value came from there.
    fn referred_to(mut self, name: &str) -> Self {
        self.image.provenance.insert(Path::attribute("x"), (address(name), Path::attribute("id")));
        self
    }

    fn moved_from(mut self, name: &str) -> Self {
        self.image.moved_from = Some(address(name));
        self
    }

    fn instance(mut self, index: u64) -> Self {
        self.id.address.key = Some(InstanceKey::Index(index));
        self
    }
}

/// A run of these steps, in this order.
fn run(steps: impl IntoIterator<Item = Did>) -> RunHistory {
    let mut written = Written::new(RunKind::Apply);
    for Did { id, dependencies, image, generation } in steps {
        let begin = StepBegin { dependencies, generation, ..step_begin() };
        written = written
            .event(Some(&id), Event::Image(Box::new(image)))
            .event(Some(&id), Event::StepBegin(Box::new(begin)))
            .event(Some(&id), Event::StepApplied(end(None, None)));
    }
    written.read()
}

/// Unwinds runs, the newest first.
fn unwinding(runs: impl IntoIterator<Item = RunHistory>) -> Unwinding {
    let runs: Vec<_> = runs.into_iter().enumerate().map(|(index, run)| (format!("run {index}"), run)).collect();
    undos(&runs, &Earlier::default())
}

fn name(undo: &Undo) -> String {
    let id = &undo.step.id;
    format!("{} {}", id.effect.word(), id.address.to_string().trim_start_matches("t."))
}

/// What each undo waits for, directly or through barriers.
fn waits(unwinding: &Unwinding) -> Vec<(String, Vec<String>)> {
    let through = |index: usize| {
        let (mut names, mut open) = (Vec::new(), unwinding.after(index).to_vec());
        while let Some(node) = open.pop() {
            match unwinding.undos.get(node) {
                Some(undo) => names.push(name(undo)),
                None => open.extend(unwinding.after(node)),
            }
        }
        names.sort();
        names
    };
    unwinding.undos.iter().enumerate().map(|(index, undo)| (name(undo), through(index))).collect()
}

#[track_caller]
fn assert_waits<const N: usize>(runs: impl IntoIterator<Item = RunHistory>, expected: [(&str, &[&str]); N]) {
    let found = waits(&unwinding(runs));
    let expected: Vec<(String, Vec<String>)> = expected
        .iter()
        .map(|(name, waits)| ((*name).to_owned(), waits.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(found, expected);
}

use StepEffect::*;

#[test]
fn undone_is_what_had_an_effect_or_may_have_had_one_newest_first() {
    let [done, doubtful, partial, failed, read] =
        [("done", Create), ("doubtful", Create), ("partial", Update), ("failed", Create), ("read", Read)]
            .map(|(name, effect)| step(name, effect));
    let mut written = Written::new(RunKind::Apply);
    for id in [&done, &doubtful, &partial, &failed, &read] {
        written = written.event(Some(id), imaged()).event(Some(id), begun());
    }
    let history = written
        .event(Some(&read), Event::StepApplied(end(None, None)))
        .event(Some(&partial), Event::StepPartial(end(None, Some("half"))))
        .event(Some(&failed), Event::StepNotApplied(failure("no")))
        .event(Some(&done), Event::StepApplied(end(None, None)))
        .event(Some(&step("imaged", Create)), imaged())
        .read();
    let runs = [("r".to_owned(), history)];
    let told = |earlier: &Earlier| -> Vec<(String, Option<&'static str>)> {
        undos(&runs, earlier).undos.iter().map(|undo| (name(undo), undo.doubt)).collect()
    };
    let doubt = Some("nobody knows what came of it");
    assert_eq!(
        told(&Earlier::default()),
        [("create done".into(), None), ("update partial".into(), None), ("create doubtful".into(), doubt)]
    );
    let earlier = Earlier {
        done: [("r".to_owned(), done.clone()), ("another".to_owned(), doubtful)].into(),
        in_doubt: [("r".to_owned(), partial), ("another".to_owned(), done)].into(),
    };
    let unsettled = Some("nobody knows what came of undoing it");
    assert_eq!(told(&earlier), [("update partial".into(), unsettled), ("create doubtful".into(), doubt)]);
}

#[test]
fn an_undo_leads_from_where_the_object_stands_to_where_it_stood() {
    let deposed = |generation: &str| ObjectKey::Deposed(generation.into());
    let place = |did: Did| {
        let unwinding = unwinding([run([did])]);
        (unwinding.undos[0].from(), unwinding.undos[0].to())
    };
    let (new, old) = (address("new"), address("old"));
    for effect in [Create, Update, Adopt, Record] {
        let here = (new.clone(), ObjectKey::Current);
        assert_eq!(place(did("new", effect)), (here.clone(), here), "{effect:?}");
    }
    assert_eq!(
        place(did("new", Update).moved_from("old")),
        ((new.clone(), ObjectKey::Current), (old.clone(), ObjectKey::Current))
    );
    // What has ended stands nowhere: what is made again stands where it stood.
    for effect in [Delete, Forget] {
        let there = (old.clone(), ObjectKey::Current);
        assert_eq!(place(did("new", effect).moved_from("old")), (there.clone(), there), "{effect:?}");
        let mut replaced = did("new", effect);
        replaced.id.object = deposed("3");
        let there = (new.clone(), deposed("3"));
        assert_eq!(place(replaced), (there.clone(), there), "{effect:?}");
    }
    let set_aside = Did { generation: 3, ..did("new", Depose).moved_from("old") };
    assert_eq!(place(set_aside), ((new, deposed("3")), (old, ObjectKey::Current)));
}

#[test]
fn later_steps_at_an_address_are_undone_first() {
    assert_waits(
        [run([did("a", Update), did("b", Update)]), run([did("a", Create)])],
        [("update b", &[]), ("update a", &[]), ("create a", &["update a"])],
    );
    assert_waits(
        [run([did("new", Update).moved_from("old")]), run([did("old", Create), did("new", Forget)])],
        [("update new", &[]), ("forget new", &["update new"]), ("create old", &["update new"])],
    );
}

#[test]
fn what_was_made_is_kept_until_what_depends_on_it_is_undone() {
    assert_waits(
        [run([did("a", Create), did("b", Create).on(&["a"]), did("c", Update).on(&["a"]), did("d", Create)])],
        [("create d", &[]), ("update c", &[]), ("create b", &[]), ("create a", &["create b", "update c"])],
    );
    // A later change of something does not hold up what only depends on it.
    assert_waits(
        [run([did("a", Update)]), run([did("a", Create), did("b", Create).on(&["a"])])],
        [("update a", &[]), ("create b", &[]), ("create a", &["create b", "update a"])],
    );
}

#[test]
fn what_was_ended_comes_back_before_what_depends_on_it() {
    for effect in [Delete, Forget] {
        let (a, b) = (format!("{} a", effect.word()), format!("{} b", effect.word()));
        let ended = run([did("b", effect).on(&["a"]), did("a", effect)]);
        assert_waits([ended], [(a.as_str(), &[]), (b.as_str(), &[a.as_str()])]);
    }
}

#[test]
fn what_was_changed_to_do_without_is_changed_back_to_what_is_made_again() {
    for effect in [Update, Record] {
        let user = format!("{} user", effect.word());
        // Replaced, and its user brought to the new one.
        assert_waits(
            [run([did("a", Delete), did("a", Create), did("user", effect).on(&["a"])])],
            [(user.as_str(), &["delete a"]), ("create a", &[]), ("delete a", &["create a"])],
        );
        // Its user no longer refers to it, and it is ended.
        assert_waits(
            [run([did("user", effect).referred_to("a"), did("a", Delete)])],
            [("delete a", &[]), (user.as_str(), &["delete a"])],
        );
    }
    // A new user of what was replaced goes before that does.
    assert_waits(
        [run([did("a", Delete), did("a", Create), did("user", Create).on(&["a"])])],
        [("create user", &[]), ("create a", &["create user"]), ("delete a", &["create a", "create user"])],
    );
}

#[test]
fn what_was_ended_and_referred_to_something_comes_back_after_it() {
    assert_waits(
        [run([did("user", Delete).referred_to("a"), did("a", Delete)])],
        [("delete a", &[]), ("delete user", &["delete a"])],
    );
    // Nothing else has to follow what is made again.
    assert_waits(
        [run([did("user", Adopt).referred_to("a"), did("a", Delete)])],
        [("delete a", &[]), ("adopt user", &[])],
    );
}

#[test]
fn what_an_earlier_run_ended_is_not_waited_for() {
    assert_waits(
        [run([did("user", Update).referred_to("a")]), run([did("a", Delete)])],
        [("update user", &[]), ("delete a", &[])],
    );
    assert_waits(
        [run([did("a", Delete)]), run([did("user", Update).referred_to("a")])],
        [("delete a", &[]), ("update user", &["delete a"])],
    );
}

#[test]
fn instances_of_a_block_do_not_wait_for_each_other() {
    assert_waits(
        [run([did("a", Create).instance(0), did("a", Create).instance(1).on(&["a"])])],
        [("create a[1]", &[]), ("create a[0]", &[])],
    );
    assert_waits(
        [run([did("a", Update).instance(0).referred_to("a"), did("a", Delete).instance(1)])],
        [("delete a[1]", &[]), ("update a[0]", &[])],
    );
}

#[test]
fn two_groups_of_instances_need_no_edge_for_each_pair() {
    let users = (0..10).map(|index| did("b", Create).instance(index).on(&["a"]));
    let made = (0..10).map(|index| did("a", Create).instance(index));
    let all = unwinding([run(made.chain(users))]);
    assert_eq!(all.barriers, [(0..10).collect::<Vec<_>>()]);
    assert_eq!((all.undos[0].after.len(), all.after(20)), (0, &all.barriers[0][..]));
    assert!(all.undos[10..].iter().all(|undo| undo.after == [20]), "{all:#?}");
    assert!(all.is_barrier(20) && !all.is_barrier(19));
    assert!(all.after(21).is_empty());
}

#[test]
fn a_group_that_has_grown_waits_for_what_it_was_and_what_has_come() {
    let user = |index| did("b", Create).instance(index).on(&["a"]);
    let made = |index| did("a", Create).instance(index);
    // Newest first: users 4, 3, what 1 is for; then user 2, and what 0 is for, twice.
    let all = unwinding([run([made(0), made(9), user(2), made(1), user(3), user(4)])]);
    let names: Vec<String> = all.undos.iter().map(name).collect();
    assert_eq!(names, ["create b[4]", "create b[3]", "create a[1]", "create b[2]", "create a[9]", "create a[0]"]);
    assert_eq!(all.barriers, [vec![0, 1], vec![6, 3]]);
    let after: Vec<&[usize]> = all.undos.iter().map(|undo| undo.after.as_slice()).collect();
    assert_eq!(after, [&[][..], &[], &[6], &[], &[7], &[7]]);
}

#[test]
fn a_group_of_one_needs_no_barrier() {
    let all = unwinding([run([did("a", Create), did("b", Create).on(&["a"])])]);
    assert_eq!((all.barriers.len(), all.undos[1].after.as_slice()), (0, &[0][..]));
}

#[test]
fn only_what_changed_something_outside_is_undone_outside() {
    for (effect, outside) in [
        (Create, Some(Delete)),
        (Update, Some(Update)),
        (Delete, Some(Create)),
        (Adopt, None),
        (Depose, None),
        (Forget, None),
        (Record, None),
    ] {
        let unwinding = unwinding([run([did("a", effect)])]);
        assert_eq!(inverse(&unwinding.undos[0].step), outside);
        assert_eq!(effect.is_external(), outside.is_some());
    }
    assert!(!Read.is_external());
}

#[test]
fn what_was_set_aside_before_the_runs_stands_for_nothing_once_it_is_made_again() {
    let ended = |object: ObjectKey| StepId { object, ..step("a", StepEffect::Delete) };
    let put_aside = |generation: u64| ObjectKey::Deposed(generation.to_string().into());
    let sets_aside = run([Did { generation: 3, ..did("a", StepEffect::Depose) }]);
    let other = run([Did { generation: 3, ..did("b", StepEffect::Depose) }, did("a", StepEffect::Update)]);
    assert!(stands_again(&ended(ObjectKey::Current), []));
    assert!(stands_again(&ended(put_aside(3)), [&other, &sets_aside]));
    assert!(!stands_again(&ended(put_aside(3)), [&other]));
    assert!(!stands_again(&ended(put_aside(2)), [&sets_aside]));
}
