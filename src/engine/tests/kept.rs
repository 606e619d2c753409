//! Plans that are kept: what they rest on, and that they are refused by name when it has moved.

use super::*;

impl Stage {
    pub(super) async fn keep(&self, options: &Options) -> Vec<u8> {
        let (_, bytes) = plan(options, &PlanOptions::default(), true, &Cancellation::default())
            .await
            .unwrap_or_else(|failure| panic!("{:#?}", failure.diagnostics));
        bytes.unwrap()
    }

    /// Applies a kept plan; why it is refused, when it is.
    pub(super) async fn apply_kept(&self, options: &Options, bytes: &[u8]) -> Result<RunState, String> {
        let session = Session::open(options, "apply", None).await.unwrap();
        let kept = crate::plan::file::read(bytes, session.seal()).unwrap();
        let result = match session.ready(kept, &[], &Cancellation::default()).await {
            Err(failure) => Err(failure.diagnostics.first().unwrap().message.clone()),
            Ok(Kept::Done(run)) => Err(format!("done already by {}", run.kind.word())),
            Ok(Kept::Ready(planned)) => {
                let cancellation = Cancellation::default();
                let applied = session.apply(&planned, None, OnFailure::Halt, &Silent, &cancellation).await.unwrap();
                Ok(applied.report.state)
            }
        };
        session.close().await.unwrap();
        result
    }
}

const READS: &str = r#"
[resource.local_file.a]
path = "out/a.txt"
content = "a"

[resource.local_file.elsewhere]
path = "out/elsewhere.txt"
content = "elsewhere"

[data.local_file.given]
path = "given.txt"

[local]
everything = '${join(" ", [env.GIVEN, try(env.MISSING, ""), file("read.txt"), join(",", fileset("set", "*")), fileexists("there.txt")])}'
"#;

const STEP: &str = r#"
[resource.retrue_data.d]
input = "${local_file.a.sha256} ${data.local_file.given.content} ${local.everything}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_is_refused_by_name_when_what_it_rests_on_has_moved() {
    type Move = fn(&Stage, &mut Options);
    let moves: &[(&str, Move)] = &[
        ("", |_, _| {}),
        // What has nothing to do with it makes it no older.
        ("", |stage, options| {
            stage.write("out/elsewhere.txt", "changed");
            stage.write("unrelated.txt", "new");
            options.process_environment.insert("OTHER".into(), "1".into());
        }),
        ("`local_file.a` was changed outside", |stage, _| stage.write("out/a.txt", "changed")),
        ("`local_file.a` has disappeared", |stage, _| fs_err::remove_file(stage.path().join("out/a.txt")).unwrap()),
        ("`data.local_file.given` has become another", |stage, _| stage.write("given.txt", "changed")),
        // What it is written in, and how, is no part of it.
        ("", |stage, _| {
            stage.toml(&format!("{STEP}\n# a word about it"));
            stage.write("b.retrue.toml", READS);
        }),
        ("`local.new` was added since (b.retrue.toml)", |stage, _| stage.write("b.retrue.toml", "[local]\nnew = 1")),
        ("`retrue_data.d` was removed", |stage, _| stage.toml(READS)),
        ("`retrue_data.d` was changed since (retrue.toml)", |stage, _| {
            stage.toml(&format!("{READS}{STEP}lifecycle.prevent_destroy = true\n"));
        }),
        ("the file `read.txt` was changed", |stage, _| stage.write("read.txt", "changed")),
        ("the files in `set` have become others", |stage, _| stage.write("set/new", "")),
        ("what stands at `there.txt` was changed", |stage, _| stage.write("there.txt", "")),
        ("the environment variable `GIVEN` was changed", |_, options| {
            options.process_environment.insert("GIVEN".into(), "2".into());
        }),
        ("the environment variable `MISSING` was changed", |_, options| {
            options.process_environment.insert("MISSING".into(), "".into());
            options.process_environment.insert("MISSING".into(), "now".into());
        }),
    ];
    for (expected, moved) in moves {
        let stage = Stage::new(READS);
        let mut options = stage.options();
        options.process_environment.insert("GIVEN".into(), "1".into());
        for directory in ["out", "set"] {
            fs_err::create_dir(stage.path().join(directory)).unwrap();
        }
        for file in ["given.txt", "read.txt", "set/one"] {
            stage.write(file, "before");
        }
        let bytes = stage.keep(&options).await;
        assert_eq!(stage.apply_kept(&options, &bytes).await, Ok(RunState::Succeeded));
        stage.toml(&format!("{READS}{STEP}"));
        let bytes = stage.keep(&options).await;
        let plain = |content: &str| blake3::hash(content.as_bytes()).to_hex().to_string();
        assert!(!String::from_utf8_lossy(&bytes).contains(&plain("before")), "a plain hash of a file");
        moved(&stage, &mut options);
        match stage.apply_kept(&options, &bytes).await {
            Ok(state) => assert_eq!((*expected, state), ("", RunState::Succeeded)),
            Err(why) => assert!(!expected.is_empty() && why.contains(expected), "expected `{expected}`: {why}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_may_rename() {
    let stage = Stage::new(FILES);
    stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    let renamed = FILES.replace("retrue_data.note", "retrue_data.memo");
    stage.toml(&format!("{renamed}\n[[moved]]\nfrom = \"retrue_data.note\"\nto = \"retrue_data.memo\"\n"));
    let options = stage.options();
    let bytes = stage.keep(&options).await;
    assert_eq!(stage.apply_kept(&options, &bytes).await, Ok(RunState::Succeeded));
    stage.toml(&renamed);
    let (again, _, _) = stage.apply(&PlanOptions::default(), OnFailure::Halt).await;
    assert_eq!(again, Summary { no_op: 6, ..Summary::default() });
    // It cannot be applied a second time.
    assert!(stage.apply_kept(&options, &bytes).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_refer_to_is_kept_once_in_a_plan() {
    let toml = |users: usize| {
        let mut toml = String::from("\n[local]\nfirst = \"${retrue_data.a.id}\"\nsecond = \"${local.first}-two\"\n");
        toml.push_str("\n[resource.retrue_data.a]\ninput = \"a\"\n\n[resource.retrue_data.each]\nfor_each = {");
        let entries = (0..users).map(|n| format!("k{n} = '${{retrue_data.a.id}} {n}'"));
        toml.push_str(&entries.collect::<Vec<_>>().join(", "));
        toml.push_str("}\ninput = \"${each.value}\"\n");
        for n in 0..users {
            toml.push_str(&format!("\n[resource.retrue_data.b{n}]\ninput = \"${{local.second}}\"\n"));
        }
        toml
    };
    let stage = Stage::new(&toml(20));
    let options = stage.options();
    let bytes = stage.keep(&options).await;
    let plan = crate::plan::file::read(&bytes, Session::open(&options, "test", None).await.unwrap().seal()).unwrap();
    let names: Vec<&str> = plan.shared.keys().map(String::as_str).collect();
    assert_eq!(names, ["for_each of retrue_data.each", "local.first", "local.second"]);
    assert!(plan.steps.iter().flat_map(|step| step.config.pending.values()).all(|pending| pending.locals.is_empty()));
    // Ten times as many take ten times as much, not a hundred times.
    let larger = Stage::new(&toml(200));
    let many = larger.keep(&larger.options()).await.len();
    assert!(many < bytes.len() * 12, "{} and {many} bytes", bytes.len());
    assert_eq!(stage.apply_kept(&options, &bytes).await, Ok(RunState::Succeeded));
    let look = look(&options, None).unwrap().unwrap();
    let input = |address: &str| {
        let object = look.state.addresses[&address.parse().unwrap()].current.clone().unwrap();
        object.attributes().wake(look.seal()).unwrap().get("input").cloned().unwrap().as_str().unwrap().to_owned()
    };
    assert!(input("retrue_data.b7").ends_with("-two") && input("retrue_data.b7").len() > 10);
    assert!(input("retrue_data.each[\"k13\"]").ends_with(" 13"));
}
