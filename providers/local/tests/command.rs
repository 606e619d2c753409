//! `local_command`, managed and as data, through the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::Arguments;
use retrue_provider_api::process::guard_main_if_asked;
use retrue_provider_api::{
    Category, DataRequest, Effect, Findable, Outcome, Path, ProviderResult, Reversibility, Subject, Type,
    ValidateRequest, Value, from_plain_json,
};
use support::{World, applied, block_on, not_applied, null, partial, unknown};

fn main() -> ExitCode {
    guard_main_if_asked();
    let trials = trials!(
        create_update_delete_and_back,
        what_commands_are_given,
        output_is_parsed_where_it_is_json,
        without_update_a_change_replaces,
        a_changed_text_runs_nothing,
        a_failed_create_is_what_read_says,
        a_failed_update_is_what_read_says,
        a_failed_delete_is_what_read_says,
        what_was_ended_is_unknown,
        what_is_there_is_found_and_not_created,
        read_that_fails_is_an_error,
        without_read_doubt_cannot_be_settled,
        without_delete_nothing_is_run_to_end_it_or_to_undo_that,
        mistakes_are_told_at_once,
        data_of_commands,
        data_of_files,
    );
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A thing that is a file; every command but `read` adds a line to a log.
const THING: [(&str, &str); 4] = [
    ("create", "echo create >> log; printf %s \"$RETRUE_INPUTS\" > thing; echo made"),
    ("read", "[ -e thing ] || exit 44; cat thing"),
    ("update", "echo \"update $RETRUE_OLD_INPUTS\" >> log; printf %s \"$RETRUE_INPUTS\" > thing"),
    ("delete", "echo delete >> log; rm thing"),
];

fn thing<'a>(inputs: &'a str, other: &[(&'a str, Value)]) -> Vec<(&'a str, Value)> {
    let mut set: Vec<(&str, Value)> = THING.iter().map(|(name, line)| (*name, Value::from(*line))).collect();
    set.push(("inputs", Value::from(inputs)));
    set.retain(|(name, _)| other.iter().all(|(replaced, _)| replaced != name));
    set.extend(other.iter().cloned());
    set
}

async fn world() -> World {
    World::new("local_command").await
}

fn log(world: &World) -> Vec<String> {
    fs_err::read_to_string(world.path("log")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn text<'v>(state: &'v Value, name: &str) -> &'v str {
    state.get(name).unwrap().as_str().unwrap()
}

fn create_update_delete_and_back() {
    block_on(async {
        let world = world().await;
        let first = world.config(&thing("one", &[])).await;
        assert_eq!(world.find(&first).await.unwrap(), None);
        let made = world.step(&null(), &first).await.unwrap();
        assert_eq!(text(&made.state, "stdout"), "\"one\"", "of read, though create wrote something, too");
        assert_eq!(made.state.get("output"), Some(&Value::from("one")));
        assert_eq!(text(&made.state, "id"), world.context.stable_id());
        let read = world.read(&made.state, &first).await.unwrap().unwrap();
        assert_eq!(read, made.state);
        assert_eq!(world.plan(&read, &first).await.unwrap().planned, read, "no change, no step");

        let second = world.config(&thing("two", &[])).await;
        let changed = world.step(&read, &second).await.unwrap();
        assert_eq!((text(&changed.state, "stdout"), text(&changed.state, "id")), ("\"two\"", text(&read, "id")));
        assert_eq!(applied(world.undo(&changed).await), read);
        assert_eq!(fs_err::read_to_string(world.path("thing")).unwrap(), "\"one\"");

        let deleted = world.step(&read, &null()).await.unwrap();
        assert!(deleted.state.is_null() && !world.path("thing").exists());
        let again = world.change(Effect::Delete, &null(), &read, &null());
        assert!(applied(world.apply(again).await).is_null(), "what is gone is not deleted again");
        assert_eq!(applied(world.undo(&deleted).await), read, "with its old id");
        assert!(applied(world.undo(&made).await).is_null());
        assert_eq!(log(&world), ["create", "update \"one\"", "update \"two\"", "delete", "create", "delete"]);
        assert_eq!(world.children.all().len(), 6, "what only looks is not recorded");
    });
}

fn what_commands_are_given() {
    block_on(async {
        let world = world().await;
        fs_err::create_dir(world.path("sub")).unwrap();
        let inputs = from_plain_json(&serde_json::json!({"a": [1.5, null, true]})).unwrap();
        let config = world
            .config(&[
                (
                    "create",
                    Value::tuple([
                        Value::from("sh"),
                        Value::from("-c"),
                        Value::from("env; pwd; echo \"$0|$1\""),
                        Value::from("a b"),
                        Value::from(7i64),
                    ]),
                ),
                ("inputs", inputs),
                (
                    "environment",
                    Value::map(Type::String, [("MINE", Value::from("x y")), ("NONE", Value::null(Type::String))]),
                ),
                ("working_directory", Value::from("sub")),
                ("delete", Value::from("printf %s \"$RETRUE_STDOUT\" > ../seen")),
            ])
            .await;
        let made = world.step(&null(), &config).await.unwrap();
        let stdout = text(&made.state, "stdout");
        for line in [
            "RETRUE_ACTION=create",
            "RETRUE_ADDRESS=type.name",
            "RETRUE_INPUTS={\"a\":[1.5,null,true]}",
            "MINE=x y",
            "a b|7",
            &format!("RETRUE_ID={}", world.context.stable_id()),
            &world.path("sub").display().to_string(),
        ] {
            assert!(stdout.lines().any(|found| found == line), "{line} in {stdout}");
        }
        assert!(!stdout.contains("NONE=") && !stdout.contains("RETRUE_OLD_INPUTS"));
        world.step(&made.state, &null()).await.unwrap();
        assert_eq!(fs_err::read_to_string(world.path("seen")).unwrap(), stdout, "what was last written");

        let large =
            world.config(&[("create", Value::from("true")), ("inputs", Value::from("x".repeat(130_000)))]).await;
        let planned = world.plan(&null(), &large).await.unwrap().planned;
        let error = not_applied(world.apply(world.change(Effect::Create, &large, &null(), &planned)).await);
        assert_eq!(error.path, Some(Path::attribute("inputs")));
    });
}

fn output_is_parsed_where_it_is_json() {
    block_on(async {
        let world = world().await;
        let output = async |line: &str| {
            let state = world.create(&[("create", Value::from(line))]).await.state;
            (text(&state, "stdout").to_owned(), state.get("output").unwrap().clone())
        };
        let object = from_plain_json(&serde_json::json!({"id": "i-1", "n": [1]})).unwrap();
        assert_eq!(
            output("echo '{\"id\": \"i-1\", \"n\": [1]}'").await,
            ("{\"id\": \"i-1\", \"n\": [1]}\n".into(), object)
        );
        assert_eq!(output("echo 42").await.1, Value::from(42i64));
        assert_eq!(output("printf 'plain\\n\\n'").await, ("plain\n\n".into(), Value::from("plain")));
        assert_eq!(output("true").await, (String::new(), Value::from("")));
        assert_eq!(output("printf '{\"half\": '").await.1, Value::from("{\"half\": "));

        let config = world.config(&[("create", Value::from("printf 'a\\377'"))]).await;
        let planned = world.plan(&null(), &config).await.unwrap().planned;
        match world.apply(world.change(Effect::Create, &config, &null(), &planned)).await {
            Outcome::Applied(applied) => {
                assert_eq!(text(&applied.state, "stdout"), "a\u{fffd}");
                assert!(applied.warnings[0].contains("UTF-8"));
            }
            other => panic!("{other:?}"),
        }
        let config = world.config(&[("create", Value::from("head -c 17000000 /dev/zero"))]).await;
        let planned = world.plan(&null(), &config).await.unwrap().planned;
        let (_, error) = partial(world.apply(world.change(Effect::Create, &config, &null(), &planned)).await);
        assert!(error.message.contains("16 MiB"), "{}", error.message);
    });
}

fn without_update_a_change_replaces() {
    block_on(async {
        let world = world().await;
        let made = world.create(&thing("one", &[("update", null())])).await;
        let config = world.config(&thing("two", &[("update", null())])).await;
        let response = world.plan(&made.state, &config).await.unwrap();
        assert_eq!(response.requires_replace, [Path::attribute("inputs")]);
        let config =
            world.config(&thing("one", &[("update", null()), ("inputs", Value::unknown(Type::Dynamic))])).await;
        let response = world.plan(&made.state, &config).await.unwrap();
        assert_eq!(response.requires_replace, [Path::attribute("inputs")], "what may differ is taken to differ");
    });
}

fn a_changed_text_runs_nothing() {
    block_on(async {
        let world = world().await;
        let made = world.create(&thing("one", &[])).await;
        let other = [("create", Value::from("exit 1")), ("delete", Value::from("echo other >> log; rm thing"))];
        let config = world.config(&thing("one", &other)).await;
        let schema = world.provider.schema().await.unwrap();
        let attributes = &schema.resources.get("local_command").unwrap().block.attributes;
        let response = world.plan(&made.state, &config).await.unwrap();
        assert!(response.requires_replace.is_empty());
        let planned = response.planned.as_entries().unwrap();
        let differ = planned.iter().filter(|(name, value)| !made.state.get(name).unwrap().same(value));
        assert!(differ.clone().count() == 2 && differ.clone().all(|(name, _)| attributes[name.as_ref()].inert));
        // The new text is in force once it is recorded.
        let changed = world.step(&made.state, &config).await.unwrap();
        assert_eq!(log(&world), ["create"]);
        world.step(&changed.state, &null()).await.unwrap();
        assert_eq!(log(&world), ["create", "other"]);
    });
}

async fn attempt(world: &World, prior: &Value, set: &[(&str, Value)]) -> Outcome {
    let config = world.config(set).await;
    let effect = if prior.is_null() { Effect::Create } else { Effect::Update };
    let planned = world.plan(prior, &config).await.unwrap().planned;
    world.apply(world.change(effect, &config, prior, &planned)).await
}

fn a_failed_create_is_what_read_says() {
    block_on(async {
        let world = world().await;
        let line = |line: &str| ("create", Value::from(line));
        let error = not_applied(attempt(&world, &null(), &thing("x", &[line("echo no luck >&2; exit 3")])).await);
        assert_eq!(error.message, "`create` ended with 3: no luck");
        assert!(!error.retry);
        let told = "echo first; echo it is full; echo; exit 3";
        let error = not_applied(attempt(&world, &null(), &thing("x", &[line(told)])).await);
        assert_eq!(error.message, "`create` ended with 3: it is full");
        let (state, error) = partial(attempt(&world, &null(), &thing("x", &[line("echo half > thing; exit 3")])).await);
        assert_eq!((text(&state, "stdout"), error.message.as_str()), ("half\n", "`create` ended with 3"));
        fs_err::remove_file(world.path("thing")).unwrap();
        let blind = ("read", Value::from("[ -e blind ] && exit 9; exit 44"));
        let error = unknown(attempt(&world, &null(), &thing("x", &[line("touch blind; exit 3"), blind])).await);
        assert!(error.context.iter().any(|(name, value)| name == "read" && value.contains("9")));
        let error = unknown(attempt(&world, &null(), &thing("x", &[line("true")])).await);
        assert!(error.message.contains("does not find it"), "{}", error.message);
        let error = not_applied(attempt(&world, &null(), &[line("exit 1")]).await);
        assert!(!error.retry);
        let none = Value::tuple([Value::from("no-such-program")]);
        let error = not_applied(attempt(&world, &null(), &[("create", none)]).await);
        assert_eq!(error.category, Category::Validation);
        assert!(error.message.contains("no-such-program"), "{}", error.message);
    });
}

fn a_failed_update_is_what_read_says() {
    block_on(async {
        let world = world().await;
        let made = world.create(&thing("one", &[])).await.state;
        let line = |line: &str| ("update", Value::from(line));
        not_applied(attempt(&world, &made, &thing("two", &[line("exit 3")])).await);
        let (state, _) = partial(attempt(&world, &made, &thing("two", &[line("echo half > thing; exit 3")])).await);
        assert_eq!(text(&state, "stdout"), "half\n");
        // Whichever are wanted next, `update` is run: also those that it had.
        assert!(state.get("inputs").unwrap().is_null());
        for inputs in ["one", "two"] {
            let config = world.config(&thing(inputs, &[])).await;
            assert!(!world.plan(&state, &config).await.unwrap().planned.is_wholly_known());
        }
        unknown(attempt(&world, &made, &thing("two", &[line("rm thing; exit 3")])).await);
    });
}

fn a_failed_delete_is_what_read_says() {
    block_on(async {
        let world = world().await;
        let delete = async |line: &str| {
            let state = world.create(&thing("one", &[("delete", Value::from(line))])).await.state;
            let outcome = world.apply(world.change(Effect::Delete, &null(), &state, &null())).await;
            let _ = fs_err::remove_file(world.path("thing"));
            outcome
        };
        not_applied(delete("exit 3").await);
        assert!(applied(delete("rm thing; exit 3").await).is_null());
        assert!(unknown(delete("true").await).message.contains("still there"));
    });
}

fn what_was_ended_is_unknown() {
    block_on(async {
        let world = world().await;
        let began = Instant::now();
        let late = "sleep 100; touch thing";
        let slow = thing("x", &[("create", Value::from(late)), ("timeout", Value::from("100ms"))]);
        assert_eq!(unknown(attempt(&world, &null(), &slow).await).category, Category::TimeOut);
        assert!(began.elapsed() < Duration::from_secs(60));
        let killed = thing("x", &[("create", Value::from("kill -9 $$"))]);
        assert!(unknown(attempt(&world, &null(), &killed).await).message.contains("signal 9"));

        let cancel = world.context.cancellation.clone();
        let path = world.path("begun");
        std::thread::spawn(move || {
            while !path.exists() {
                std::thread::sleep(Duration::from_millis(2));
            }
            cancel.cancel();
        });
        let slow = thing("x", &[("create", Value::from("touch begun; sleep 100"))]);
        assert!(unknown(attempt(&world, &null(), &slow).await).message.contains("cancelled"));
        let error = not_applied(attempt(&world, &null(), &thing("x", &[])).await);
        assert!(error.message.contains("cancelled"), "what has not begun is not in doubt");
    });
}

fn what_is_there_is_found_and_not_created() {
    block_on(async {
        let mut world = world().await;
        fs_err::write(world.path("thing"), "theirs").unwrap();
        let config = world.config(&thing("x", &[])).await;
        let found = world.find(&config).await.unwrap().unwrap();
        assert_eq!((text(&found, "stdout"), text(&found, "id")), ("theirs", world.context.stable_id().as_str()));
        world.context.idempotency_key = String::new();
        let once = world.find(&config).await.unwrap();
        assert_eq!(once, world.find(&config).await.unwrap(), "an adopted one has one id");
        assert_eq!(not_applied(attempt(&world, &null(), &thing("x", &[])).await).category, Category::Conflict);

        for guard in [("creates", Value::from("thing")), ("unless", Value::from("test -e thing"))] {
            let set = [("create", Value::from("touch thing; echo create >> log")), guard];
            let config = world.config(&set).await;
            assert!(world.find(&config).await.unwrap().is_some());
            assert_eq!(not_applied(attempt(&world, &null(), &set).await).category, Category::Conflict);
            fs_err::remove_file(world.path("thing")).unwrap();
            assert_eq!(world.find(&config).await.unwrap(), None);
            let made = applied(attempt(&world, &null(), &set).await);
            assert_eq!(world.read(&made, &config).await.unwrap().unwrap(), made);
            fs_err::remove_file(world.path("thing")).unwrap();
            assert_eq!(world.read(&made, &config).await.unwrap(), None, "and is seen to be gone");
            fs_err::write(world.path("thing"), "").unwrap();
        }
        assert_eq!(log(&world), ["create", "create"]);
    });
}

fn read_that_fails_is_an_error() {
    block_on(async {
        let world = world().await;
        let made = world
            .create(&thing(
                "x",
                &[("absent_exit_code", Value::from(7i64)), ("read", Value::from("[ -e thing ] || exit 7"))],
            ))
            .await;
        let config = made.state.clone().with_attribute("read", Value::from("echo broken >&2; exit 44"));
        let error = world.read(&config, &null()).await.unwrap_err();
        assert_eq!(error.message, "`read` ended with 44: broken");
        fs_err::remove_file(world.path("thing")).unwrap();
        assert_eq!(world.read(&made.state, &null()).await.unwrap(), None);
    });
}

fn without_read_doubt_cannot_be_settled() {
    block_on(async {
        let world = world().await;
        let config = world.config(&[("create", Value::from("echo made"))]).await;
        let capability = world.provider.capability("local_command", &config);
        assert_eq!((capability.findable, capability.observes, capability.by_processes), (Findable::No, false, true));
        let response = world.plan(&null(), &config).await.unwrap();
        assert!(response.warnings[0].contains("without `read`"));
        assert!(matches!(response.reversibility, Reversibility::No(_)));
        let made = world.step(&null(), &config).await.unwrap();
        assert_eq!(world.read(&made.state, &config).await.unwrap().unwrap(), made.state);

        let config = world.config(&thing("x", &[("timeout", Value::from(5i64))])).await;
        let capability = world.provider.capability("local_command", &config);
        assert_eq!((capability.findable, capability.observes), (Findable::ByIdentity, true));
        assert!(capability.time_limits.create >= Duration::from_secs(15));
        let response = world.plan(&null(), &config).await.unwrap();
        assert_eq!((response.reversibility, response.warnings.len()), (Reversibility::Full, 0));
    });
}

fn without_delete_nothing_is_run_to_end_it_or_to_undo_that() {
    block_on(async {
        let world = world().await;
        let made = world.create(&thing("x", &[("delete", null())])).await;
        let deleted = world.step(&made.state, &null()).await.unwrap();
        assert!(world.path("thing").exists());
        assert_eq!(applied(world.undo(&deleted).await), made.state);
        assert_eq!(log(&world), ["create"]);
    });
}

fn mistakes_are_told_at_once() {
    block_on(async {
        let world = world().await;
        let wrong = [
            ("create", Value::from(1i64)),
            ("read", Value::tuple([])),
            ("timeout", Value::from("soon")),
            ("absent_exit_code", Value::from(0i64)),
            ("environment", Value::map(Type::String, [("A=B", Value::from("x"))])),
        ];
        let found = world.validate(&wrong).await;
        let mut paths: Vec<String> = found.iter().map(|found| found.path.as_ref().unwrap().to_string()).collect();
        paths.sort();
        assert_eq!(paths, ["absent_exit_code", "create", "environment", "read", "timeout"]);
        let open = [
            ("create", Value::tuple([Value::from("echo"), Value::unknown(Type::String)])),
            ("timeout", Value::unknown(Type::Dynamic)),
        ];
        assert!(world.validate(&open).await.is_empty());
    });
}

async fn data(world: &World, type_name: &str, set: &[(&str, Value)]) -> ProviderResult<Value> {
    let schema = world.provider.schema().await.unwrap();
    let attributes = &schema.data.get(type_name).unwrap().block.attributes;
    let nulls = attributes.iter().map(|(name, attribute)| (name.as_str(), Value::null(attribute.value_type())));
    let config =
        set.iter().fold(Value::object(nulls), |config, (name, value)| config.with_attribute(name, value.clone()));
    let request = ValidateRequest { subject: Subject::Data, type_name: type_name.into(), config: config.clone() };
    assert!(world.provider.validate(request).await.unwrap().is_empty());
    world.provider.read_data(&world.context, DataRequest { type_name: type_name.into(), config }).await
}

fn data_of_commands() {
    block_on(async {
        let world = world().await;
        let value = data(&world, "local_command", &[("command", Value::from("echo '[1]'"))]).await.unwrap();
        assert_eq!(value.get("output"), Some(&Value::tuple([Value::from(1i64)])));
        let error = data(&world, "local_command", &[("command", Value::from("exit 44"))]).await.unwrap_err();
        assert_eq!(error.message, "`command` ended with 44");
        let slow = [("command", Value::from("sleep 100")), ("timeout", Value::from("50ms"))];
        assert_eq!(data(&world, "local_command", &slow).await.unwrap_err().category, Category::TimeOut);
        assert!(world.children.all().is_empty());
    });
}

fn data_of_files() {
    block_on(async {
        let world = world().await;
        fs_err::write(world.path("f"), "text").unwrap();
        fs_err::write(world.path("binary"), [0xff, 0]).unwrap();
        std::os::unix::fs::symlink("f", world.path("link")).unwrap();
        let read = async |name: &str| data(&world, "local_file", &[("path", Value::from(name))]).await;
        let value = read("link").await.unwrap();
        assert_eq!((text(&value, "content"), text(&value, "content_base64")), ("text", "dGV4dA=="));
        assert_eq!((text(&value, "mode").len(), value.get("size")), (4, Some(&Value::from(4i64))));
        let value = read("binary").await.unwrap();
        assert!(value.get("content").unwrap().is_null());
        assert_eq!(text(&value, "content_base64"), "/wA=");
        assert_eq!(read("none").await.unwrap_err().category, Category::NotFound);
        fs_err::create_dir(world.path("sub")).unwrap();
        assert_eq!(read("sub").await.unwrap_err().category, Category::Conflict);
        assert!(read("/dev/null").await.is_err());
        std::fs::File::create(world.path("large")).unwrap().set_len(17_000_000).unwrap();
        let value = read("large").await.unwrap();
        assert!(value.get("content").unwrap().is_null() && value.get("content_base64").unwrap().is_null());
        assert_eq!(value.get("size"), Some(&Value::from(17_000_000i64)));
    });
}
