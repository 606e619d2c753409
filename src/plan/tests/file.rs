//! The plan file: the same plan when it is read, or an error.

use super::model::{condition, plan, step};
use super::*;
use crate::plan::file::{PlanFileError, read, seal_digest, write};
use crate::plan::{Dependency, FallbackOfData, Instead, Plan};
use crate::rest::PlainSeal;

/// A plan of three steps, of which the last waits for a group of the others, with its digest.
fn sealed(change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = plan();
    plan.steps = ["a", "b", "c"].map(|name| step(name, StepEffect::Create)).into();
    plan.steps[1].depends_on = vec![Dependency::Step(0)];
    plan.steps[2].depends_on = vec![Dependency::Group(0)];
    plan.groups = vec![vec![0, 1]];
    change(&mut plan);
    seal_digest(&mut plan, &PlainSeal);
    plan
}

fn reread(plan: &Plan) -> Result<Plan, PlanFileError> {
    read(&write(plan, &PlainSeal), &PlainSeal)
}

#[test]
fn a_plan_is_the_same_after_it_has_rested() {
    let plan = sealed(|plan| {
        plan.steps[0].preconditions.push(condition("var.a", "var.b"));
        plan.steps[0].postconditions.push(condition("var.c", "var.d"));
        plan.steps[0].planned = Value::from("hunter").sensitive();
    });
    let text = write(&plan, &PlainSeal);
    assert!(!String::from_utf8_lossy(&text).contains("hunter"));
    let again = read(&text, &PlainSeal).unwrap();
    assert_eq!(again.steps[0].preconditions[0].condition.expression, serde_json::json!({ "reference": "var.a" }));
    assert_eq!(again.steps[0].postconditions.len(), 1);
    assert_eq!(again.steps[0].planned, plan.steps[0].planned);
    assert_eq!(write(&again, &PlainSeal), text);
}

#[test]
fn the_digest_is_over_all_of_the_plan_and_names_its_steps() {
    let plan = sealed(|_| ());
    assert_eq!(plan.digest.len(), 64);
    assert!(plan.steps.iter().all(|step| step.id.plan == plan.digest));
    assert_ne!(plan.digest, sealed(|plan| plan.warnings.push("x".into())).digest);
    assert_eq!(plan.digest, sealed(|_| ()).digest);
    let mut twice = plan.clone();
    seal_digest(&mut twice, &PlainSeal);
    assert_eq!(plan.digest, twice.digest, "what its steps are called is no part of it");
}

#[test]
fn whatever_was_changed_in_a_plan_file_is_noticed() {
    let text = String::from_utf8(write(&sealed(|_| ()), &PlainSeal)).unwrap();
    let error = |text: String| read(text.as_bytes(), &PlainSeal).unwrap_err();
    assert_eq!(error(text.replacen("\"default\"", "\"another\"", 1)), PlanFileError::Edited);
    let newer = error(text.replacen("retrue.plan/1", "retrue.plan/2", 1));
    assert_eq!((newer.code(), newer), ("RT0416", PlanFileError::Version("retrue.plan/2".into())));
    for damaged in [text.replacen("retrue.plan/1", "something", 1), text[..text.len() / 2].to_owned(), "{}".into()] {
        let error = error(damaged);
        assert!(matches!(error, PlanFileError::Damaged(_)), "{error}");
        assert_eq!(error.code(), "RT0415");
    }
}

#[test]
fn steps_wait_only_for_earlier_ones_and_for_groups_that_there_are() {
    assert!(reread(&sealed(|_| ())).is_ok());
    let wrong: [fn(&mut Plan); 6] = [
        |plan| plan.groups[0][0] = 3,
        |plan| plan.groups[0][0] = 4,
        |plan| plan.steps[1].depends_on = vec![Dependency::Step(1)],
        |plan| plan.steps[1].depends_on = vec![Dependency::Step(2)],
        |plan| plan.steps[2].depends_on = vec![Dependency::Group(1)],
        |plan| plan.steps[2].depends_on = vec![Dependency::Group(2)],
    ];
    for (index, change) in wrong.into_iter().enumerate() {
        let error = reread(&sealed(change)).unwrap_err();
        assert_eq!(error, PlanFileError::Damaged("its steps do not fit together".into()), "{index}");
    }
}

#[test]
fn what_stands_in_for_data_and_what_stays_as_it_is_rest_with_a_step() {
    let fallback = FallbackOfData {
        instead: vec![Instead { value: Value::from("hunter").sensitive(), what: "a value".into() }],
        remember: true,
    };
    let kept = vec![Path::attribute("tags")];
    let plan = sealed(|plan| {
        plan.steps[0].fallback = Some(fallback.clone());
        plan.steps[1].kept = kept.clone();
    });
    let again = reread(&plan).unwrap();
    assert_eq!((again.steps[0].fallback.as_ref(), &again.steps[1].kept), (Some(&fallback), &kept));
}
