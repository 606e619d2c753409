//! What the suite needs to know of each type of the fake cloud.

use serde_json::{Value as Json, json};

/// The data of one type.
pub struct Case {
    pub type_name: &'static str,
    pub collection: &'static str,
    /// The attribute that is the id of an object in the cloud.
    pub key: &'static str,
    /// The id that the cloud would use for the configuration, where identity is natural.
    pub natural_id: Option<&'static str>,
    pub config: fn() -> Json,
    /// Other values.
    pub alternatives: fn() -> Vec<(&'static str, Json)>,
    /// Wrong values: attribute, path of the mistake, value.
    pub invalid: fn() -> Vec<(&'static str, &'static str, Json)>,
    /// What somebody else does to it.
    pub drift: fn() -> Vec<(&'static str, Json)>,
}

pub const BUCKET: Case = Case {
    type_name: "testcloud_bucket",
    collection: "buckets",
    key: "name",
    natural_id: Some("logs"),
    config: || json!({"name": "logs", "versioning": true, "tags": {"team": "web", "tier": "1"}}),
    alternatives: || vec![("tags", json!({"team": "db"})), ("versioning", json!(false)), ("name", json!("other-logs"))],
    invalid: || vec![("name", "name", json!("No Name")), ("name", "name", json!(""))],
    drift: || vec![("versioning", json!(false)), ("tags", json!({"by": "hand"}))],
};

pub const DATABASE: Case = Case {
    type_name: "testcloud_database",
    collection: "databases",
    key: "name",
    natural_id: Some("main"),
    config: || json!({"name": "main", "engine": "postgres", "size": 20, "password": "planted-password", "tags": {"a": "1"}}),
    alternatives: || {
        vec![
            ("size", json!(30)),
            ("tags", json!(null)),
            ("password", json!("another-planted-password")),
            ("engine", json!("mysql")),
            ("name", json!("second")),
        ]
    },
    invalid: || {
        vec![
            ("engine", "engine", json!("abacus")),
            ("size", "size", json!(0)),
            ("size", "size", json!(1.5)),
            ("name", "name", json!("-")),
        ]
    },
    drift: || vec![("size", json!(25)), ("tags", json!({"by": "hand"}))],
};

pub const INSTANCE: Case = Case {
    type_name: "testcloud_instance",
    collection: "instances",
    key: "id",
    natural_id: None,
    config: || {
        json!({
            "image": "debian-12", "size": "small", "zone": "b", "network_id": "net-a", "tags": {"role": "web"},
            "disk": [{"size": 10, "label": "root"}, {"size": 5}],
            "rule": [{"port": 80}, {"port": 53, "protocol": "udp"}],
        })
    },
    alternatives: || {
        vec![
            ("image", json!("debian-13")),
            ("size", json!("large")),
            ("network_id", json!("net-b")),
            ("tags", json!({})),
            ("disk", json!([{"size": 10, "label": "system"}])),
            ("rule", json!([{"port": 443}])),
            ("zone", json!("c")),
        ]
    },
    invalid: || {
        vec![
            ("size", "size", json!("gigantic")),
            ("disk", "disk[1].size", json!([{"size": 1}, {"size": 0}])),
            ("rule", "rule", json!([{"port": 70000}])),
        ]
    },
    drift: || vec![("size", json!("medium")), ("tags", json!({"by": "hand"})), ("rule", json!([]))],
};

pub const NETWORK: Case = Case {
    type_name: "testcloud_network",
    collection: "networks",
    key: "id",
    natural_id: Some("net-1"),
    config: || json!({"name": "main", "cidr": "10.0.0.0/16", "description": "where all live", "tags": {"a": "1"}}),
    alternatives: || {
        vec![
            ("description", json!("moved out")),
            ("tags", json!({"a": "2"})),
            ("cidr", json!("10.1.0.0/16")),
            ("name", json!("second")),
        ]
    },
    invalid: || vec![("cidr", "cidr", json!("10.0.0.0")), ("cidr", "cidr", json!("10.0.0.0/33"))],
    drift: || vec![("description", json!("by hand")), ("tags", json!(null))],
};

pub const TOKEN: Case = Case {
    type_name: "testcloud_token",
    collection: "tokens",
    key: "id",
    natural_id: None,
    config: || json!({"scope": "deploy", "audience": "ci"}),
    alternatives: || vec![("scope", json!("read")), ("audience", json!("people"))],
    invalid: Vec::new,
    drift: || vec![("scope", json!("everything"))],
};
