//! Rules about finding, adopting, importing, and data.

use retrue_provider_api::{DataRequest, Findable, Found, ImportRequest, Marker};

use crate::bench::Bench;
use crate::change::nothing;
use crate::judge::{Judged, Verdict, Violation, demand, failed};
use crate::values::{attribute, difference, shown};

const NOT_FINDABLE: Verdict = Verdict::DoesNotApply("it cannot be found");

pub async fn find_none(bench: &Bench) -> Judged {
    if bench.capability().findable == Findable::No {
        return Ok(NOT_FINDABLE);
    }
    let found = bench.find_with(&bench.world.config(), bench.context().marker).await?;
    demand(found == Found::None, || "nothing is there, and `find` finds something".into())?;
    Ok(Verdict::Kept)
}

pub async fn find_one(bench: &Bench) -> Judged {
    if !bench.is_findable() {
        return Ok(NOT_FINDABLE);
    }
    let config = bench.world.config();
    let thing = bench.create(&config).await?;
    let read = bench.read_there(&thing).await?;
    let found = bench.find_there(&config).await?;
    let mut expected = read.state;
    // A look by configuration cannot know what is never given back, nor what a command once wrote.
    let hidden = |of: &retrue_provider_api::Attribute| {
        of.unobserved || of.sensitive && of.settable() || of.computed && bench.world.follows_commands()
    };
    for (name, _) in bench.block().attributes.iter().filter(|(_, of)| hidden(of)) {
        if attribute(&found.state, name).is_null() {
            expected = expected.with_attribute(name, attribute(&found.state, name));
        }
    }
    if let Some(difference) = bench.difference(&expected, &found.state) {
        return Err(Violation(format!("`find` finds something else than `read`: {difference}")));
    }
    Ok(Verdict::Kept)
}

pub async fn find_many_is_many(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::ByMarker {
        return Ok(Verdict::DoesNotApply("it is not found by a marker"));
    }
    let config = bench.world.config();
    bench.create(&config).await?;
    bench.create(&config).await?;
    let is_two = |found: &Found| matches!(found, Found::Many(many) if many.len() == 2);
    let found = bench.find_until(&config, is_two).await?;
    demand(is_two(&found), || {
        let count = match &found {
            Found::None => "nothing".to_owned(),
            Found::One(_) => "one".to_owned(),
            Found::Many(many) => many.len().to_string(),
        };
        format!("two objects carry the marker, and `find` finds {count}: one of many is never adopted")
    })?;
    Ok(Verdict::Kept)
}

pub async fn find_compares_the_generation(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::ByMarker {
        return Ok(Verdict::DoesNotApply("it is not found by a marker"));
    }
    let config = bench.world.config();
    bench.create(&config).await?;
    bench.find_there(&config).await?;
    let own = bench.context().marker.ok_or_else(|| Violation("no marker".into()))?;
    let others = [
        Marker { generation: own.generation + 1, ..own.clone() },
        Marker { object: "deposed".into(), ..own.clone() },
        Marker { lineage: "another".into(), ..own.clone() },
        Marker { address: format!("{}2", own.address), ..own.clone() },
    ];
    for other in others {
        let found = bench.find_with(&config, Some(other.clone())).await?;
        demand(found == Found::None, || format!("it was made as `{own}`, and is found as `{other}`"))?;
    }
    Ok(Verdict::Kept)
}

pub async fn find_reports_a_foreign_marker(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::ByIdentity {
        return Ok(Verdict::DoesNotApply("it is not found by identity"));
    }
    let config = bench.world.config();
    let own = bench.context().marker.ok_or_else(|| Violation("no marker".into()))?;
    let foreign = Marker { lineage: "0190-somebody-else".into(), ..own.clone() };
    let context = retrue_provider_api::Context { marker: Some(foreign.clone()), ..bench.context() };
    let made = bench.create_in(&context, &config).await?;
    if bench.read_there(&made).await?.marker.is_none() {
        return Ok(Verdict::DoesNotApply("it cannot carry a marker"));
    }
    match bench.find_until(&config, |found| matches!(found, Found::One(_))).await? {
        Found::One(one) => demand(one.marker == Some(foreign.to_string()), || {
            format!("it carries the marker `{foreign}`, and `find` tells {:?}", one.marker)
        })?,
        other => return Err(Violation(format!("it is there under somebody else's marker, and `find` says {other:?}"))),
    }
    Ok(Verdict::Kept)
}

pub async fn find_is_refused_where_nothing_can_be_found(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::No {
        return Ok(Verdict::DoesNotApply("it can be found"));
    }
    let config = bench.world.config();
    bench.create(&config).await?;
    demand(bench.find_with(&config, bench.context().marker).await.is_err(), || {
        "it cannot be found, and `find` answers as if it had looked: a create in doubt would be made again".into()
    })?;
    Ok(Verdict::Kept)
}

pub async fn adopts_what_exists(bench: &Bench) -> Judged {
    if bench.capability().findable != Findable::ByIdentity {
        return Ok(Verdict::DoesNotApply("it is not found by identity"));
    }
    let config = bench.world.config();
    if !bench.world.make(&config).await {
        return Ok(Verdict::DoesNotApply("nobody else can make it"));
    }
    let found = bench.find_there(&config).await?;
    let planned = bench.plan(Some(&found), &config).await?;
    let secret = |name: &str| bench.block().attributes.get(name).is_some_and(|of| of.sensitive);
    for name in bench.block().attributes.keys().filter(|name| !secret(name)) {
        let (is, will) = (attribute(&found.state, name), attribute(&planned.planned, name));
        demand(is.same(&will) || bench.block().attributes[name].volatile, || {
            format!(
                "it is just as configured, and adopting it would change `{name}` from {} to {}",
                shown(&is),
                shown(&will)
            )
        })?;
    }
    if bench.world.follows_commands() || !bench.world.drift(&found.state).await {
        return Ok(Verdict::Kept);
    }
    let drifted = bench.find_there(&config).await?;
    let (change, planned) = bench.change(Some(&drifted), &config).await?;
    demand(difference(&drifted.state, &planned.planned).is_some(), || {
        "what exists is not as configured, and the plan of its adoption changes nothing: `find` tells the configuration, \
         not the world"
            .into()
    })?;
    let outcome = bench.provider.apply(&bench.context(), change).await;
    let adopted = bench.must_apply("the update of an adoption", outcome, &config)?;
    let again = bench.plan(Some(&adopted), &config).await?;
    if let Some(difference) = difference(&again.planned, &adopted.state) {
        return Err(Violation(format!("after the adoption there is still something to do: {difference}")));
    }
    Ok(Verdict::Kept)
}

pub async fn import_reads_it(bench: &Bench) -> Judged {
    let thing = bench.create(&bench.world.config()).await?;
    let Some(id) = bench.world.import_id(&thing.state).filter(|_| bench.capability().imports) else {
        return Ok(Verdict::DoesNotApply("it cannot be imported"));
    };
    let read = bench.read_there(&thing).await?;
    let request = ImportRequest { type_name: bench.type_name(), id: id.clone() };
    let imported = bench.provider.import(&bench.context(), request).await.map_err(|error| failed("import", error))?;
    let Some(imported) = imported.iter().find(|imported| imported.type_name == bench.type_name()) else {
        return Err(Violation(format!("`import` of {id:?} gives no {}", bench.type_name())));
    };
    // What can be written in several ways may come in another than it was configured in.
    let imported = bench.thing(imported.object.clone(), &nothing());
    for (name, of) in bench.block().attributes.iter().filter(|(_, of)| !of.volatile) {
        let (is, was) = (attribute(&imported.state, name), attribute(&read.state, name));
        demand(is.same(&was) || (of.settable() || !bench.observes()) && (is.is_null() || was.is_null()), || {
            format!("`import` finds `{name}` to be {}, and `read` {}", shown(&is), shown(&was))
        })?;
    }
    let again = bench.read_there(&imported).await?;
    if let Some(difference) = bench.difference(&again.state, &imported.state) {
        return Err(Violation(format!("`import` finds something else than a `read` of what it found: {difference}")));
    }
    Ok(Verdict::Kept)
}

pub async fn import_of_nothing_is_an_error(bench: &Bench) -> Judged {
    let Some(id) = bench.world.strange_id().filter(|_| bench.capability().imports && bench.observes()) else {
        return Ok(Verdict::DoesNotApply("it cannot be imported"));
    };
    let request = ImportRequest { type_name: bench.type_name(), id: id.clone() };
    let imported = bench.provider.import(&bench.context(), request).await;
    demand(!imported.is_ok_and(|imported| !imported.is_empty()), || {
        format!("`import` of {id:?}, which leads nowhere, gives something")
    })?;
    Ok(Verdict::Kept)
}

pub async fn data_is_read(bench: &Bench) -> Judged {
    let Some(case) = bench.world.data() else { return Ok(Verdict::DoesNotApply("no data type goes with it")) };
    let request = DataRequest { type_name: case.type_name, config: case.config };
    let read = bench.provider.read_data(&bench.context(), request).await.map_err(|error| failed("read_data", error))?;
    let (name, expected) = case.expected;
    let found = attribute(&read, &name);
    demand(found.same(&expected), || format!("`{name}` is {} instead of {}", shown(&found), shown(&expected)))?;
    demand(read.is_wholly_known(), || "what is read is not wholly known".into())?;
    Ok(Verdict::Kept)
}

pub async fn data_that_is_missing_is_an_error(bench: &Bench) -> Judged {
    let Some(case) = bench.world.data() else { return Ok(Verdict::DoesNotApply("no data type goes with it")) };
    let request = DataRequest { type_name: case.type_name, config: case.missing };
    let read = bench.provider.read_data(&bench.context(), request).await;
    demand(read.is_err(), || "there is nothing to read, and `read_data` reads something".into())?;
    Ok(Verdict::Kept)
}
