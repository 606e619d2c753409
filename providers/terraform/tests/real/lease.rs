//! pyvider 0.8.1 with a lease that misbehaves: what is ephemeral, while it is checked, opened, renewed and closed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use retrue_provider_api::process::still_running;
use retrue_provider_api::{
    ConfigureRequest, Context, DataRequest, Private, Provider, ProviderError, Subject, ValidateRequest,
};
use retrue_provider_terraform::{Launch, Terraform};
use serde_json::json;

use crate::support::{block_on, cache, full, patient, there};

const PYTHON: &str = "pyvider/venv/bin/python";
const LEASE: &str = "pyvider_lease";

/// The provider; one of its methods does something else.
fn bad(directory: &Path, method: &str, instead: &str) -> Launch {
    let path = directory.join("terraform-provider-pyvider");
    let script = format!(
        "#!{}
import asyncio, os, sys
import pyvider.protocols.tfprotov6.protobuf as pb
from pyvider.handler import ProviderHandler
async def instead(self, request, context):
    {instead}
ProviderHandler.{method} = instead
from pyvider.cli.__main__ import main
sys.exit(main())
",
        cache().join(PYTHON).display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Launch { answer_within: Duration::from_secs(3), ..Launch::file("pyvider", path) }
        .with_variable("PYVIDER_TESTMODE", "true")
        .with_variable("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests")
}

/// How long may be waited for what happens outside.
const PATIENCE: Duration = Duration::from_secs(4);

fn context() -> Context {
    Context { deadline: Instant::now() + PATIENCE, ..patient() }
}

/// A lease from its beginning to its end; tells where something went wrong, and what.
async fn life(terraform: &Terraform, directory: &Path) -> Result<(), (&'static str, ProviderError)> {
    let at = |place: &'static str| move |error: ProviderError| (place, error);
    let schema = terraform.schema().await.map_err(at("schema"))?;
    let config = full(&schema.provider.block, &json!({"pyvider_testmode": true}));
    let request = ConfigureRequest { config, directory: "/tmp".into() };
    terraform.configure(request).await.map_err(at("configure"))?;
    let path = directory.join("held").display().to_string();
    let config =
        full(&schema.ephemeral.get(LEASE).unwrap().block, &json!({"name": "l", "path": path, "ttl_seconds": 60}));
    let request = ValidateRequest { subject: Subject::Ephemeral, type_name: LEASE.into(), config: config.clone() };
    let said = terraform.validate(request).await.map_err(at("validate"))?;
    assert!(said.iter().all(|said| !said.error), "{said:?}");
    let request = DataRequest { type_name: LEASE.into(), config };
    let opened = terraform.open(&context(), request).await.map_err(at("open"))?;
    let private = || Private(opened.private.0.clone());
    terraform.renew(&context(), LEASE, private()).await.map_err(at("renew"))?;
    terraform.close(&context(), LEASE, private()).await.map_err(at("close"))?;
    Ok(())
}

fn check(method: &str, instead: &str, place: Option<&str>, parts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let terraform = Terraform::new(bad(directory.path(), method, instead));
        let began = Instant::now();
        match (life(&terraform, directory.path()).await, place) {
            (Ok(()), None) => {}
            (Err((at, error)), Some(place)) => {
                assert_eq!(at, place, "{method}: {error:#}");
                assert_eq!(error.operation, place, "{method}: {error:#}");
                let text = format!("{error:#}");
                assert!(parts.iter().any(|part| text.contains(part)), "{method}: {text}");
            }
            (ended, place) => panic!("{method}: {ended:?} in place of {place:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{method}");
        let child = terraform.process().await;
        terraform.shut_down().await;
        assert!(child.is_none_or(|child| !still_running(&child)), "{method}: something is left");
    });
}

/// Each method, where it is noticed, and the name of its answer.
const METHODS: [(&str, &str); 4] = [
    ("ValidateEphemeralResourceConfig", "validate"),
    ("OpenEphemeralResource", "open"),
    ("RenewEphemeralResource", "renew"),
    ("CloseEphemeralResource", "close"),
];

pub fn a_hang_in_each_call() {
    let Some(_) = there("hangs of a lease", PYTHON) else { return };
    for (method, place) in METHODS {
        check(method, "await asyncio.sleep(1000)", Some(place), &["did not answer", "no answer"]);
    }
    // The whole provider hangs, and not this one call.
    check("OpenEphemeralResource", "import time; time.sleep(1000)", Some("open"), &["did not answer", "no answer"]);
}

pub fn a_crash_in_each_call() {
    let Some(_) = there("crashes of a lease", PYTHON) else { return };
    for (method, place) in METHODS {
        check(method, "os._exit(7)", Some(place), &["the provider ended (exit status 7)"]);
    }
}

pub fn nonsense_in_answers() {
    let Some(_) = there("nonsense of a lease", PYTHON) else { return };
    let answer = |method: &str, with: &str| format!("return pb.{method}.Response({with})");
    let open = |with: &str| answer("OpenEphemeralResource", with);
    let method = "OpenEphemeralResource";
    check(method, &open(""), Some("open"), &["cannot be read", "gives no error"]);
    check(method, &open("result=pb.DynamicValue(msgpack=b'\\xc0')"), Some("open"), &["gives no error"]);
    check(method, &open("result=pb.DynamicValue(msgpack=b'\\x93')"), Some("open"), &["cannot be read"]);
    check(method, &open("result=pb.DynamicValue(msgpack=b'\\x81\\xa1x\\x01')"), Some("open"), &["cannot be read"]);
    check(method, "raise Exception('oh')", Some("open"), &["oh"]);
    // What was renewed without a word of when again is not renewed again; what is closed twice is closed.
    check("RenewEphemeralResource", &answer("RenewEphemeralResource", ""), None, &[]);
    let refused = "diagnostics=[pb.Diagnostic(severity=1, summary='not now')]";
    check("RenewEphemeralResource", &answer("RenewEphemeralResource", refused), Some("renew"), &["not now"]);
    check("CloseEphemeralResource", &answer("CloseEphemeralResource", refused), Some("close"), &["not now"]);
}
