//! Rules about secrets.

use retrue_provider_api::{Effect, FindRequest, Outcome, ProviderError, Subject, ValidateRequest};

use crate::bench::Bench;
use crate::change::nothing;
use crate::judge::{Judged, Verdict, demand};

/// Every text that a person may come to see.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    fn error(&mut self, place: &str, error: &ProviderError) {
        self.text(place, format!("{error}\n{error:#}\n{error:?}"));
    }

    fn text(&mut self, place: &str, text: String) {
        self.0.push((place.to_owned(), text));
    }

    fn outcome(&mut self, place: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Applied(applied) => self.text(place, applied.warnings.join("\n")),
            Outcome::Partial { applied, error } => {
                self.text(place, applied.warnings.join("\n"));
                self.error(place, error);
            }
            Outcome::NotApplied(error) | Outcome::Unknown { error, .. } => self.error(place, error),
        }
    }
}

pub async fn secrets_do_not_show(bench: &Bench) -> Judged {
    let secrets = bench.world.secrets();
    if secrets.is_empty() {
        return Ok(Verdict::DoesNotApply("it knows no secrets"));
    }
    let mut seen = Seen::default();
    let base = bench.world.config();
    for (config, _) in bench.world.invalid().into_iter().chain([(base.clone(), String::new())]) {
        let request = ValidateRequest { subject: Subject::Resource, type_name: bench.type_name(), config };
        match bench.provider.validate(request).await {
            Ok(said) => said.iter().for_each(|said| seen.text("validate", format!("{said:?}"))),
            Err(error) => seen.error("validate", &error),
        }
    }
    for failure in bench.world.failures() {
        let prior = if failure.effect == Effect::Create { None } else { Some(bench.create(&base).await?) };
        let config = if failure.effect == Effect::Delete { nothing() } else { base.clone() };
        let (change, planned) = bench.change(prior.as_ref(), &config).await?;
        seen.text("plan", planned.warnings.join("\n"));
        bench.world.arm(&failure).await;
        seen.outcome(failure.name, &bench.provider.apply(&bench.context(), change).await);
        bench.world.disarm().await;
        bench.world.clear().await;
    }
    let thing = bench.create(&base).await?;
    let conflict = bench.attempt(None, &base).await?;
    seen.outcome("create", &conflict);
    let request = FindRequest { type_name: bench.type_name(), config: nothing(), marker: None };
    if let Err(error) = bench.provider.find(&bench.context(), request).await {
        seen.error("find", &error);
    }
    seen.text("private", format!("{:?}", thing.private));
    for (place, text) in &seen.0 {
        for secret in &secrets {
            demand(!text.contains(secret), || {
                format!("a secret shows in what `{place}` says: {}", text.replace(secret, "[THE SECRET]"))
            })?;
        }
    }
    Ok(Verdict::Kept)
}
