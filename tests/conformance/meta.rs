//! The suite against providers that are broken on purpose.

use std::collections::BTreeSet;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::bench::Bench;
use crate::broken::{BROKEN, Broken};
use crate::checks::{CHECKS, Check};
use crate::judge::{Judged, Verdict};
use crate::runtime;

/// One trial for each broken provider, and one for the table of them.
pub fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("broken/every_check_catches_one", every_check_catches_one)];
    for broken in BROKEN {
        let name = format!("broken/{}/{}", broken.check, broken.breakage);
        trials.push(Trial::test(name, || is_caught(broken)));
    }
    trials
}

fn every_check_catches_one() -> Result<(), Failed> {
    let checks: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    let caught: BTreeSet<&str> = BROKEN.iter().map(|broken| broken.check).collect();
    if checks.len() != CHECKS.len() {
        return Err("two checks have one name".into());
    }
    match checks.symmetric_difference(&caught).next() {
        Some(name) => {
            Err(format!("`{name}`: every check needs a broken provider, and every one of those a check").into())
        }
        None => Ok(()),
    }
}

/// The check keeps silent on the good provider, and says the right thing on the broken one.
fn is_caught(broken: &Broken) -> Result<(), Failed> {
    let check = CHECKS.iter().find(|check| check.name == broken.check).ok_or("there is no such check")?;
    match runtime().block_on(judge(check, broken, false)) {
        Ok(Verdict::Kept) => {}
        Ok(Verdict::DoesNotApply(reason)) => return Err(format!("the check does not apply here: {reason}").into()),
        Err(violation) => return Err(format!("the good provider is blamed: {}", violation.0).into()),
    }
    match runtime().block_on(judge(check, broken, true)) {
        Err(violation) if violation.0.contains(broken.says) => Ok(()),
        Err(violation) => {
            Err(format!("it is caught, but told as: {}\n  instead of: {}", violation.0, broken.says).into())
        }
        Ok(verdict) => Err(format!("it is not caught: {verdict:?}").into()),
    }
}

async fn judge(check: &Check, broken: &Broken, wrapped: bool) -> Judged {
    let world = (broken.start)().await;
    let good = world.provider();
    let provider = if wrapped { (broken.wrap)(good) } else { good };
    let bench = Bench::new(Arc::from(world), provider).await?;
    (check.run)(&bench).await
}
