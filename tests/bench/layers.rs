//! What the layers cost that stand between us and a provider: `cargo bench --bench layers`.
//!
//! A provider that answers at once is read as it is, and behind its guard, with and without limits. Nobody listens: what
//! tells of calls is there, and tells nobody.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use retrue::resilience::{Guard, Layered, Limits, Policy, Rate, Resilience, Traced};
use retrue_provider_api::testing;
use retrue_provider_api::{
    Capability, Change, ConfigureRequest, Context, FindRequest, Found, Observed, Outcome, PlanRequest, PlanResponse,
    Private, Provider, ProviderDiagnostic, ProviderError, ProviderResult, ProviderSchema, ReadRequest, Type,
    ValidateRequest, Value,
};

/// Answers at once.
struct Instantly;

#[async_trait]
impl Provider for Instantly {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        Ok(Arc::default())
    }

    async fn configure(&self, _request: ConfigureRequest) -> ProviderResult<()> {
        Ok(())
    }

    async fn validate(&self, _request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        Ok(Vec::new())
    }

    fn capability(&self, _type_name: &str, _config: &Value) -> Capability {
        Capability::default()
    }

    async fn read(&self, _context: &Context, _request: ReadRequest) -> ProviderResult<Option<Observed>> {
        Ok(None)
    }

    async fn find(&self, _context: &Context, _request: FindRequest) -> ProviderResult<Found> {
        Ok(Found::None)
    }

    async fn plan(&self, _context: &Context, _request: PlanRequest) -> ProviderResult<PlanResponse> {
        Err(ProviderError::unsupported("plan"))
    }

    async fn apply(&self, _context: &Context, _change: Change) -> Outcome {
        Outcome::NotApplied(ProviderError::unsupported("apply"))
    }
}

fn request() -> ReadRequest {
    ReadRequest {
        type_name: "acme_disk_image".into(),
        state: Value::object([("id", Value::from("i-1")), ("size", Value::from(3u64))]),
        config: Value::null(Type::Dynamic),
        private: Private::default(),
        identity: None,
    }
}

#[expect(clippy::expect_used, reason = "without a runtime there is nothing to measure")]
fn layers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let guarded = |policy| {
        let guard = Guard::new("acme".into(), "acme", policy, Arc::new(Resilience::new(Some(1))));
        Layered::wrap(Arc::new(guard), Traced::wrap("acme", Arc::new(Instantly)))
    };
    let limits = Limits { concurrency: NonZeroU32::new(8), rate: Rate::parse("100000000/s") };
    let types = [("acme_*".to_owned(), limits.clone())].into();
    let subjects: [(&str, Arc<dyn Provider>); 3] = [
        ("bare", Arc::new(Instantly)),
        ("guarded", guarded(Policy::default())),
        ("guarded, with limits", guarded(Policy { limits, types, ..Policy::default() })),
    ];
    let deadline = Instant::now() + Duration::from_secs(3600);
    let context = Context { deadline, ..testing::context() };
    let mut group = criterion.benchmark_group("read");
    for (name, provider) in subjects {
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(provider.read(&context, request())));
        });
    }
    group.finish();
}

criterion_group!(benches, layers);
criterion_main!(benches);
