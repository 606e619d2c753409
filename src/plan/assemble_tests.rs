//! The order of steps, and how much is written down of what waits for what.

use std::sync::Arc;

use retrue_provider_api::{Reversibility, Type, Value};

use crate::address::{Address, BlockAddress};
use crate::plan::assemble::{Assembled, Chain, Deletes, assemble, resting_on};
use crate::plan::{
    Dependency, ExistingObject, Lifecycle, ObjectKey, PlannedValue, Provenance, Step, StepEffect, StepId,
};

fn block(name: &str) -> BlockAddress {
    BlockAddress::managed("t", name)
}

fn chain(address: Address, effect: StepEffect, dependencies: &[BlockAddress]) -> Chain {
    let null = || Value::null(Type::Dynamic);
    let step = Step {
        id: StepId { address, object: ObjectKey::Current, effect, plan: String::new() },
        type_name: "t".into(),
        provider: "p".into(),
        depends_on: Vec::new(),
        stage: 0,
        reversibility: Reversibility::Full,
        config: PlannedValue::known(null()),
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
