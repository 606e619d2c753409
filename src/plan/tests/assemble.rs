//! The order of steps, and how much is written down of what waits for what.

use super::*;
use crate::plan::Dependency;
use crate::plan::assemble::{Assembled, Chain, Deletes, StepCycle, assemble, resting_on};

pub(super) fn chain(address: Address, effect: StepEffect, dependencies: &[BlockAddress]) -> Chain {
    let null = || Value::null(Type::Dynamic);
    let step = Step {
        id: StepId { address, object: ObjectKey::Current, effect, plan: String::new() },
        type_name: "t".into(),
        provider: "p".into(),
        depends_on: Vec::new(),
        stage: 0,
        reversibility: Reversibility::Full,
        config: PlannedValue::known(null()),
        kept: Vec::new(),
        planned: null(),
        planned_private: Default::default(),
        observed: null(),
        observed_private: Default::default(),
        observed_identity: None,
        fingerprint: String::new(),
        fingerprint_of: Vec::new(),
        generation: 1,
        existing: ExistingObject::Absent,
        dependencies: dependencies.to_vec(),
        provenance: Provenance::new(),
        lifecycle: Lifecycle::default(),
        preconditions: Vec::new(),
        postconditions: Vec::new(),
        moved_from: None,
        schema_version: 0,
        adopts: false,
        restores: false,
        import: None,
        fallback: None,
        late: false,
    };
    Chain { steps: vec![step], recorded_dependencies: Vec::new() }
}

/// Two groups of blocks, of which each of the second depends on all of the first.
fn two_groups(size: usize, effect: StepEffect) -> Assembled {
    let sources: Vec<BlockAddress> = (0..size).map(|index| block(&format!("a{index:04}"))).collect();
    let first = sources.iter().map(|source| chain(source.instance(None), effect, &[]));
    let second = (0..size).map(|index| chain(block(&format!("b{index:04}")).instance(None), effect, &sources));
    assemble(first.chain(second).collect(), Deletes::Last).unwrap()
}

#[test]
fn two_groups_of_blocks_need_no_edge_for_each_pair() {
    for effect in [StepEffect::Create, StepEffect::Delete] {
        let assembled = two_groups(100, effect);
        let edges: usize = assembled.steps.iter().map(|step| step.depends_on.len()).sum();
        let members: usize = assembled.groups.iter().map(Vec::len).sum();
        assert_eq!((edges, assembled.groups.len(), members), (100, 1, 100), "{effect:?}");
        assert!(assembled.steps.iter().all(|step| step.stage == 0), "{effect:?}");
        let (first, last) = (&assembled.steps[0].id.address, &assembled.steps[199].id.address);
        let expected = if effect == StepEffect::Create { ("a", "b") } else { ("b", "a") };
        assert!(first.block.name.starts_with(expected.0) && last.block.name.starts_with(expected.1));
        assert_eq!(resting_on(0, &assembled.steps, &assembled.groups).len(), 100);
    }
}

#[test]
fn few_dependencies_are_named_one_by_one() {
    let assembled = two_groups(3, StepEffect::Create);
    assert_eq!(assembled.groups, Vec::<Vec<usize>>::new());
    assert_eq!(assembled.steps[3].depends_on, [0, 1, 2].map(Dependency::Step));
}

#[test]
fn a_pivot_is_not_behind_itself() {
    let address = block("a").instance(None);
    let mut replaced = chain(address.clone(), StepEffect::Delete, &[]);
    replaced.steps[0].reversibility = Reversibility::Lossy("rows are gone".into());
    replaced.steps.extend(chain(address.clone(), StepEffect::Create, &[]).steps);
    let pivot = assemble(vec![replaced], Deletes::Last).unwrap().pivot.unwrap();
    assert_eq!((pivot.address, pivot.behind), (address, Vec::new()));
}

#[test]
fn the_pivot_is_the_first_that_others_rest_on() {
    let lossy = |mut chain: Chain| {
        chain.steps[0].reversibility = Reversibility::Lossy("new id".into());
        chain
    };
    let chains = vec![
        lossy(chain(block("a").instance(None), StepEffect::Update, &[])),
        lossy(chain(block("b").instance(None), StepEffect::Update, &[])),
        chain(block("c").instance(None), StepEffect::Update, &[block("b")]),
    ];
    let assembled = assemble(chains, Deletes::Last).unwrap();
    let pivot = assembled.pivot.unwrap();
    assert_eq!(pivot.address, block("b").instance(None));
    assert_eq!(pivot.behind, [Address { block: BlockAddress::managed("t", Arc::from("c")), key: None }]);
}

/// Puts chains together: each step by its name, its stage and what it waits for.
fn order(chains: Vec<Chain>, deletes: Deletes) -> Vec<String> {
    let assembled = assemble(chains, deletes).unwrap();
    let name = |step: &Step| format!("{} {}", step.id.effect.word(), step.id.address.block.name);
    let told = |step: &Step| {
        let waits = step.depends_on.iter().map(|dependency| match dependency {
            Dependency::Step(index) => name(&assembled.steps[*index]),
            Dependency::Group(group) => {
                let members = assembled.groups[*group].iter().map(|index| name(&assembled.steps[*index]));
                members.collect::<Vec<_>>().join(" and ")
            }
        });
        format!("{}: {} after [{}]", step.stage, name(step), waits.collect::<Vec<_>>().join(", "))
    };
    assembled.steps.iter().map(told).collect()
}

fn undone_as(mut chain: Chain, reversibility: Reversibility) -> Chain {
    chain.steps[0].reversibility = reversibility;
    chain
}

/// What is recorded depends on these.
fn used_to_need(mut chain: Chain, names: &[&str]) -> Chain {
    chain.recorded_dependencies = names.iter().map(|name| block(name)).collect();
    chain
}

#[test]
fn deletes_come_last_and_the_irreversible_last_of_all() {
    let alone = |name: &str, effect| chain(address(name), effect, &[]);
    let chains = || {
        vec![
            undone_as(alone("a", StepEffect::Delete), Reversibility::No("gone".into())),
            undone_as(alone("b", StepEffect::Delete), lossy("rows are gone")),
            alone("c", StepEffect::Delete),
            alone("d", StepEffect::Forget),
            undone_as(alone("e", StepEffect::Update), lossy("new id")),
            alone("f", StepEffect::Update),
            alone("g", StepEffect::Create),
        ]
    };
    assert_eq!(
        order(chains(), Deletes::Last),
        [
            "0: update f after []",
            "0: create g after []",
            "1: delete c after []",
            "1: forget d after []",
            "2: delete b after []",
            "2: update e after []",
            "3: delete a after []",
        ]
    );
    assert_eq!(
        order(chains(), Deletes::Graph),
        [
            "0: delete a after []",
            "0: delete b after []",
            "0: delete c after []",
            "0: forget d after []",
            "0: update f after []",
            "0: create g after []",
            "1: update e after []",
        ]
    );
}

#[test]
fn what_is_brought_back_to_its_adoption_counts_as_ended() {
    let mut restored = chain(address("a"), StepEffect::Update, &[]);
    restored.steps[0].restores = true;
    let found = order(vec![restored, chain(address("b"), StepEffect::Update, &[])], Deletes::Last);
    assert_eq!(found, ["0: update b after []", "1: update a after []"]);
}

#[test]
fn what_is_ended_waits_for_all_that_happens_to_its_users() {
    for deletes in [Deletes::Last, Deletes::Graph] {
        let chains = vec![
            chain(address("a"), StepEffect::Delete, &[]),
            used_to_need(chain(address("b"), StepEffect::Update, &[]), &["a"]),
            used_to_need(chain(address("c"), StepEffect::Delete, &[]), &["a"]),
        ];
        let found = order(chains, deletes);
        assert_eq!(found.last().unwrap().split_once(": ").unwrap().1, "delete a after [update b, delete c]");
    }
}

#[test]
fn what_is_made_anew_at_its_place_waits_only_for_users_that_end() {
    let mut replaced = chain(address("a"), StepEffect::Delete, &[]);
    replaced.steps.extend(chain(address("a"), StepEffect::Create, &[]).steps);
    let chains = vec![
        replaced,
        used_to_need(chain(address("b"), StepEffect::Update, &[block("a")]), &["a"]),
        used_to_need(chain(address("c"), StepEffect::Delete, &[]), &["a"]),
    ];
    assert_eq!(
        order(chains, Deletes::Last),
        [
            "0: delete c after []",
            "0: delete a after [delete c]",
            "1: create a after [delete a]",
            "1: update b after [create a]",
        ]
    );
}

#[test]
fn what_was_set_aside_in_this_plan_is_ended_after_its_users_have_changed_and_a_leftover_before() {
    let deposed = |mut chain: Chain| {
        let last = chain.steps.last_mut().unwrap();
        last.id.object = ObjectKey::Deposed("1".into());
        chain
    };
    let mut first = chain(address("a"), StepEffect::Depose, &[]);
    first.steps.extend(chain(address("a"), StepEffect::Create, &[]).steps);
    first.steps.extend(chain(address("a"), StepEffect::Delete, &[]).steps);
    let user = || used_to_need(chain(address("b"), StepEffect::Update, &[block("a")]), &["a"]);
    assert_eq!(
        order(vec![deposed(first), user()], Deletes::Last),
        [
            "0: depose a after []",
            "0: create a after [depose a]",
            "0: update b after [depose a and create a]",
            "1: delete a after [create a, update b]",
        ]
    );
    let leftover = deposed(chain(address("a"), StepEffect::Delete, &[]));
    assert_eq!(order(vec![leftover, user()], Deletes::Last), ["0: update b after []", "1: delete a after []"]);
}

#[test]
fn what_was_set_aside_before_rests_on_nothing_and_makes_no_room() {
    let ends = |key: &str, reversibility: Reversibility| {
        let mut step = chain(address("a"), StepEffect::Delete, &[]).steps.remove(0);
        (step.id.object, step.reversibility) = (ObjectKey::Deposed(key.into()), reversibility);
        step
    };
    let after = |effect, mine: Reversibility, first: Reversibility| {
        let mut all = chain(address("a"), effect, &[]);
        all.steps[0].reversibility = mine;
        all.steps.extend([ends("1", first), ends("2", Reversibility::Full)]);
        let user = used_to_need(chain(address("b"), StepEffect::Update, &[]), &["a"]);
        assemble(vec![all, user], Deletes::Last).unwrap()
    };
    // Neither on what is changed at its address, nor on another one like it.
    let full = || Reversibility::Full;
    assert_eq!(after(StepEffect::Update, full(), full()).pivot, None);
    assert_eq!(after(StepEffect::Update, lossy("rows"), full()).pivot, None);
    assert_eq!(after(StepEffect::Update, full(), lossy("rows")).pivot, None);
    // What ends for good still waits for who used it.
    let steps = after(StepEffect::Delete, full(), full()).steps;
    let at: Vec<String> = steps.iter().map(|step| format!("{} {}", step.id.effect.word(), step.id.address)).collect();
    assert_eq!(at, ["update t.b", "delete t.a", "delete t.a", "delete t.a"]);
    assert_eq!(steps[1].depends_on, [Dependency::Step(0)]);
    // What this plan sets aside is another matter: it goes once the new one is there.
    let mut first = chain(address("a"), StepEffect::Depose, &[]);
    first.steps[0].generation = 1;
    first.steps.extend(chain(address("a"), StepEffect::Create, &[]).steps);
    first.steps[1].reversibility = lossy("new id");
    first.steps.push(ends("1", full()));
    assert!(assemble(vec![first], Deletes::Last).unwrap().pivot.is_some());
}

#[test]
fn so_many_are_named_one_by_one_and_one_more_is_a_group() {
    for (count, groups) in [(8, 0), (9, 1)] {
        let names: Vec<String> = (0..count).map(|index| format!("a{index}")).collect();
        let mut chains: Vec<Chain> = names.iter().map(|name| chain(address(name), StepEffect::Create, &[])).collect();
        let sources: Vec<BlockAddress> = names.iter().map(|name| block(name)).collect();
        chains.push(chain(address("b"), StepEffect::Create, &sources));
        assert_eq!(assemble(chains, Deletes::Last).unwrap().groups.len(), groups);
    }
}

#[test]
fn each_group_is_waited_for_by_those_that_depend_on_all_of_it() {
    // Two groups that share all but one, and one that waits for each. The address of what waits comes first.
    let names: Vec<String> = (0..11).map(|index| format!("m{index:02}")).collect();
    let sources: Vec<BlockAddress> = names.iter().map(|name| block(name)).collect();
    let mut chains = vec![
        chain(address("a"), StepEffect::Create, &sources[..10]),
        chain(address("b"), StepEffect::Create, &sources[1..]),
    ];
    chains.extend(names.iter().map(|name| chain(address(name), StepEffect::Create, &[])));
    chains.push(chain(address("z"), StepEffect::Create, &[]));
    let assembled = assemble(chains, Deletes::Last).unwrap();
    let at: Vec<&str> = assembled.steps.iter().map(|step| step.id.address.block.name.as_ref()).collect();
    let members = |group: usize| -> Vec<&str> { assembled.groups[group].iter().map(|index| at[*index]).collect() };
    let expected: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!((members(0), members(1)), (expected[..10].to_vec(), expected[1..].to_vec()));
    // As soon as all of its group is done, and no sooner.
    assert_eq!(at, [&expected[..10], &["a"], &expected[10..], &["b", "z"]].concat());
    let waits = |name: &str| {
        let step = assembled.steps.iter().find(|step| &*step.id.address.block.name == name).unwrap();
        step.depends_on.clone()
    };
    assert_eq!((waits("a"), waits("b")), (vec![Dependency::Group(0)], vec![Dependency::Group(1)]));
    let resting = |index: usize| -> Vec<String> {
        let found = resting_on(index, &assembled.steps, &assembled.groups);
        found.iter().map(|address| address.block.name.to_string()).collect()
    };
    assert_eq!(
        (resting(0), resting(5), resting(11)),
        (vec!["a".into()], vec!["a".into(), "b".into()], vec!["b".into()])
    );
}

#[test]
fn steps_that_wait_for_each_other_are_named() {
    let chains = vec![
        chain(address("a"), StepEffect::Create, &[block("b")]),
        chain(address("b"), StepEffect::Create, &[block("a")]),
        chain(address("c"), StepEffect::Create, &[]),
    ];
    let cycle = assemble(chains, Deletes::Last).unwrap_err();
    assert_eq!(cycle, StepCycle(vec!["create t.a".into(), "create t.b".into()]));
}
