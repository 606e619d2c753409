//! workato 0.16.0: protocol 6, the first SDK behind a multiplexer, against a service over HTTPS that stands for its own.

use retrue_provider_api::{
    Category, Change, Effect, Image, ImageRequest, Outcome, Path, Provider, ReadRequest, Type, Value, from_plain_json,
};
use retrue_provider_terraform::Launch;
use serde_json::{Value as Json, json};

use crate::folders::{Folders, HOME, KEY};
use crate::support::{Object, World, applied, block_on, differing_values, object, there};

const FILE: &str = "bin/terraform-provider-workato_v0.16.0";
const FOLDER: &str = "workato_folder";

async fn world(test: &str, service: &Folders, key: &str) -> Option<World> {
    let launch = Launch::file("workato", there(test, FILE)?)
        .with_variable("SSL_CERT_FILE", service.certificate().to_str().unwrap());
    Some(World::new(launch, json!({"api_key": key, "base_url": service.address()})).await)
}

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.state.get(name).and_then(Value::as_str).unwrap()
}

/// Names and parents of all that the service holds.
fn held(service: &Folders) -> Vec<(String, u64)> {
    let one = |folder: &Json| (folder["name"].as_str().unwrap().to_owned(), folder["parent_id"].as_u64().unwrap());
    service.all().iter().map(one).collect()
}

pub fn folders() {
    block_on(async {
        let service = Folders::start();
        let Some(world) = world("folders", &service, KEY).await else { return };
        let first = world.create(FOLDER, json!({"name": "first", "folder_id": HOME})).await;
        let id: u64 = text(&first, "id").parse().unwrap();
        let second = world.create(FOLDER, json!({"name": "second", "folder_id": id})).await;
        assert_eq!(held(&service), [("first".to_owned(), HOME), ("second".to_owned(), id)]);
        let writes = service.writes();
        world.assert_no_change(&first).await;
        world.assert_no_change(&second).await;
        assert_eq!(service.writes(), writes, "what only looks writes nothing");

        let second = world.update(&second, json!({"name": "renamed", "folder_id": id})).await;
        world.assert_no_change(&second).await;
        assert_eq!(held(&service)[1], ("renamed".to_owned(), id));

        let imported = world.import(FOLDER, text(&second, "id")).await.unwrap();
        assert_eq!(imported[0].state.get("name"), second.state.get("name"));
        assert_eq!(imported[0].state.get("folder_id"), second.state.get("folder_id"));
        let gone = world.import(FOLDER, "999").await;
        assert!(gone.is_err() || gone.unwrap().is_empty(), "there is no such folder");

        world.delete(&second).await;
        assert!(world.read(&second).await.is_none());
        world.delete(&first).await;
        assert_eq!(held(&service), []);
    });
}

pub fn undo() {
    block_on(async {
        let service = Folders::start();
        let Some(world) = world("undo of folders", &service, KEY).await else { return };
        let before = world.create(FOLDER, json!({"name": "before", "folder_id": HOME})).await;
        let request = ReadRequest {
            type_name: FOLDER.into(),
            state: before.state.clone(),
            config: before.config.clone(),
            private: before.private.clone(),
            identity: None,
        };
        let request = ImageRequest { object: request, effect: None, planned: before.state.clone() };
        let image = world.terraform.image(&world.context, request).await.unwrap();
        let after = world.update(&before, json!({"name": "after", "folder_id": HOME})).await;
        let back = |effect, prior: Option<&Object>, image: &Image| Change {
            type_name: FOLDER.into(),
            effect,
            config: before.config.clone(),
            prior: prior.map_or_else(|| Value::null(Type::Dynamic), |prior| prior.state.clone()),
            prior_private: prior.map(|prior| prior.private.clone()).unwrap_or_default(),
            planned: image.state.clone(),
            planned_private: image.private.clone(),
            identity: None,
            restore: Some(image.clone()),
        };
        // All but the service's own times, and a new id, is as it was.
        let differing = |restored: &Object, made_up: &[&str]| {
            let mut found = differing_values(&image.state, &restored.state);
            found.retain(|told| !made_up.iter().any(|name| told.starts_with(&format!(".{name}:"))));
            found
        };
        let outcome = world.terraform.apply(&world.context, back(Effect::Update, Some(&after), &image)).await;
        let restored = object(FOLDER, before.config.clone(), applied(outcome));
        assert_eq!(differing(&restored, &["updated_at"]), Vec::<String>::new());
        assert_eq!(held(&service), [("before".to_owned(), HOME)]);

        world.delete(&restored).await;
        // It remembers, as long as it runs, what it made under a name, even when that is deleted: it would make
        // nothing. An undo is mostly another run, and another process.
        world.terraform.shut_down().await;
        let outcome = world.terraform.apply(&world.context, back(Effect::Create, None, &image)).await;
        let again = object(FOLDER, before.config.clone(), applied(outcome));
        assert_eq!(differing(&again, &["id", "created_at", "updated_at"]), Vec::<String>::new());
        assert_ne!(again.state.get("id"), before.state.get("id"));
        assert_eq!(held(&service), [("before".to_owned(), HOME)]);
        world.delete(&again).await;
        // Deleting what is gone succeeds.
        world.delete(&again).await;
    });
}

pub fn functions() {
    block_on(async {
        let service = Folders::start();
        let Some(world) = world("functions of workato", &service, KEY).await else { return };
        let call = async |name: &str, arguments: Json| {
            let arguments = from_plain_json(&arguments).unwrap().as_items().unwrap().to_vec();
            world.terraform.call(name, arguments).await
        };
        let id = call("asset_id", json!(["MCP/create_issue.recipe.json"])).await.unwrap();
        assert_eq!(id, Value::from("create_issue"));
        let tree = json!([{"account_id": {"zip_name": "Connections/git.connection.json"}}]).to_string();
        let resolved = call("resolve_manifest_refs", json!([tree, {"git": "42"}, {}])).await.unwrap();
        let resolved: Json = serde_json::from_str(resolved.as_str().unwrap()).unwrap();
        assert!(resolved[0]["account_id"] == "42" || resolved[0]["account_id"] == 42, "{resolved}");
        let error = call("resolve_manifest_refs", json!([tree, {}, {}])).await.unwrap_err();
        assert!(error.message.contains("git"), "it says what is missing: {error:#}");
        assert_eq!(service.writes(), 0);
    });
}

pub fn refusals() {
    block_on(async {
        let service = Folders::start();
        let Some(stranger) = world("a key that opens nothing", &service, "another").await else { return };
        let refused = async |world: &World, json: Json| {
            let config = world.config(FOLDER, json);
            let plan = world.plan(FOLDER, None, &config).await.unwrap();
            match world.change(FOLDER, None, &config, plan).await {
                Outcome::NotApplied(error) => error,
                other => panic!("{other:?}"),
            }
        };
        let error = refused(&stranger, json!({"name": "a", "folder_id": HOME})).await;
        assert_eq!(error.category, Category::Authentication, "{error:#}");
        assert!(!format!("{error:#} {error:?}").contains(KEY));

        let world = world("refusals", &service, KEY).await.unwrap();
        let error = refused(&world, json!({"name": "a", "folder_id": 77})).await;
        assert_eq!(error.category, Category::NotFound, "{error:#}");
        assert_eq!(service.writes(), 0);
        // A folder that is not empty stays.
        let outer = world.create(FOLDER, json!({"name": "outer", "folder_id": HOME})).await;
        let id: u64 = text(&outer, "id").parse().unwrap();
        let inner = world.create(FOLDER, json!({"name": "inner", "folder_id": id})).await;
        let told = world.try_delete(&outer).await.unwrap_err();
        assert!(told.contains("400 Bad Request"), "{told}");
        assert_eq!(held(&service).len(), 2);
        world.delete(&inner).await;
        // It is gone behind our back.
        service.reset();
        assert!(world.read(&outer).await.is_none());
        // The parent is changed in place.
        let one = world.create(FOLDER, json!({"name": "one", "folder_id": HOME})).await;
        let to: u64 = text(&one, "id").parse().unwrap();
        let two = world.create(FOLDER, json!({"name": "two", "folder_id": HOME})).await;
        let config = world.config(FOLDER, json!({"name": "two", "folder_id": to}));
        let plan = world.plan(FOLDER, Some(&two), &config).await.unwrap();
        assert_eq!(plan.requires_replace, Vec::<Path>::new());
    });
}
