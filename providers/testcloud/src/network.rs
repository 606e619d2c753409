//! `testcloud_network`: what others live in; it cannot go before them.

use std::net::Ipv4Addr;

use retrue_provider_api::{Attribute, Findable, Path, ProviderDiagnostic, Type, Value};

use crate::resource::{Resource, check_name, schema};

pub(crate) const NETWORK: Resource = Resource {
    type_name: "testcloud_network",
    collection: "networks",
    key: "id",
    findable: Findable::ByIdentity,
    reads_back: false,
    holds_data: false,
    lost_by_delete: Some("gets a new id"),
    part: None,
    schema: || {
        schema(
            "A network: it has a unique name and an id from the cloud, and cannot be deleted while instances are in it.",
            [
                ("name", Attribute::required(Type::String, "The name, unique in the cloud.").identity()),
                ("cidr", Attribute::required(Type::String, "Its addresses: `10.0.0.0/16`.").replaces()),
                ("description", Attribute::optional(Type::String, "A note for people.")),
                ("tags", Attribute::optional(Type::map(Type::String), "Labels.")),
                ("id", Attribute::computed(Type::String, "The id, given by the cloud.")),
            ],
            [],
        )
    },
    validate: |config| {
        let mut found = check_name(config);
        if let Some(cidr) = config.get("cidr").and_then(Value::as_str)
            && !is_cidr(cidr)
        {
            let message = format!("`{cidr}` is not a range of IPv4 addresses like `10.0.0.0/16`");
            found.push(ProviderDiagnostic::error(Path::attribute("cidr"), message));
        }
        found
    },
    fill: |planned, _| planned,
};

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    address.parse::<Ipv4Addr>().is_ok() && length.parse::<u8>().is_ok_and(|length| length <= 32)
}
