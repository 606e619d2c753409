//! Rules about what a provider says of itself.

use retrue_provider_api::{Attribute, AttributeKind, Block, Value, to_wire};

use crate::bench::Bench;
use crate::judge::{Judged, Verdict, Violation, demand, failed};

pub async fn schema_is_sane(bench: &Bench) -> Judged {
    check_block(&bench.type_name(), bench.block())?;
    for (name, attribute) in &bench.block().attributes {
        demand(!attribute.identity || attribute.settable(), || {
            format!("`{name}` is identity, and cannot be set: nothing can be looked for by it")
        })?;
        for source in &attribute.derived_from {
            demand(bench.block().attributes.contains_key(source), || {
                format!("`{name}` is derived from `{source}`, which does not exist")
            })?;
        }
    }
    Ok(Verdict::Kept)
}

fn check_block(place: &str, block: &Block) -> Result<(), Violation> {
    demand(!block.documentation.trim().is_empty(), || format!("`{place}` is not documented"))?;
    check_attributes(place, block.attributes.iter())?;
    for (name, nested) in &block.blocks {
        demand(!block.attributes.contains_key(name), || format!("`{place}.{name}` is both attribute and block"))?;
        demand(nested.maximum == 0 || nested.minimum <= nested.maximum, || {
            format!("`{place}.{name}` needs more blocks than it allows")
        })?;
        check_block(&format!("{place}.{name}"), &nested.block)?;
    }
    Ok(())
}

fn check_attributes<'a>(
    place: &str,
    attributes: impl Iterator<Item = (&'a String, &'a Attribute)>,
) -> Result<(), Violation> {
    for (name, attribute) in attributes {
        let name = format!("{place}.{name}");
        let not = |wrong: bool, what: &str| demand(!wrong, || format!("`{name}` {what}"));
        not(attribute.documentation.trim().is_empty(), "is not documented")?;
        not(!attribute.settable() && !attribute.computed, "can neither be set nor is it computed")?;
        not(attribute.required && (attribute.optional || attribute.computed), "is required and something else, too")?;
        not(attribute.write_only && attribute.computed, "is write-only, and computed")?;
        not(attribute.volatile && !attribute.computed, "changes by itself, and is not computed")?;
        not(attribute.unobserved && attribute.identity, "is identity, and cannot be seen")?;
        not(attribute.volatile && attribute.identity, "is identity, and changes by itself")?;
        if let AttributeKind::Nested(_, inner) = &attribute.kind {
            check_attributes(&name, inner.iter())?;
        }
    }
    Ok(())
}

pub async fn schema_is_constant(bench: &Bench) -> Judged {
    let mut schemas = Vec::new();
    for _ in 0..3 {
        schemas.push(bench.provider.schema().await.map_err(|error| failed("schema", error))?);
    }
    demand(schemas.windows(2).all(|pair| pair[0] == pair[1]), || "two calls of `schema` give two schemas".into())?;
    let capability = bench.capability();
    demand((0..3).all(|_| bench.capability() == capability), || {
        "two calls of `capability` give two capabilities".into()
    })?;
    Ok(Verdict::Kept)
}

pub async fn state_upgrade_keeps_the_current(bench: &Bench) -> Judged {
    let thing = bench.create(&bench.world.config()).await?;
    let version = bench.schema.version;
    let upgrade = async |version: u64, state: &Value| {
        bench.provider.upgrade_state(bench.world.type_name(), version, to_wire(state)).await
    };
    let upgraded = upgrade(version, &thing.state).await.map_err(|error| failed("upgrade_state", error))?;
    if let Some(difference) = crate::values::difference(&thing.state, &upgraded) {
        return Err(Violation(format!("`upgrade_state` from the current version changes the state: {difference}")));
    }
    demand(upgrade(version + 1000, &thing.state).await.is_err(), || {
        "`upgrade_state` takes state of a version that does not exist".into()
    })?;
    Ok(Verdict::Kept)
}

pub async fn identity_has_one_form(bench: &Bench) -> Judged {
    let config = bench.world.config();
    let of_config = bench.provider.identity(bench.world.type_name(), &config);
    let thing = bench.create(&config).await?;
    let of_state = bench.provider.identity(bench.world.type_name(), &thing.state);
    demand(of_config == of_state, || {
        format!("the identity of the configuration is {of_config:?}, of the state made from it {of_state:?}")
    })?;
    for name in bench.block().identity_attributes() {
        let unknown = Value::unknown(bench.block().attributes[name].value_type());
        let open = bench.provider.identity(bench.world.type_name(), &config.clone().with_attribute(name, unknown));
        demand(open.is_none_or(|identity| !identity.is_wholly_known()), || {
            format!("the identity is known while `{name}`, which it is made from, is not")
        })?;
    }
    Ok(Verdict::Kept)
}
