//! Taking something that exists into the state, by the id that its system gives it.

use std::collections::BTreeSet;

use retrue_provider_api::{Block, Image, ImageRequest, ReadRequest, Type, Value};

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::engine::session::journal_stop;
use crate::engine::workspace::Workspace;
use crate::engine::{Cancellation, Failure, PlanOptions, Session};
use crate::plan::decide::{belongs_elsewhere, foreign_marker, not_imported};
use crate::plan::marks::mark_planned;
use crate::plan::{ObjectKey, PlanKind, Step, StepEffect, codes as plan_codes};
use crate::saga::journal::Entry;
use crate::saga::state::{generation_key, object_key};
use crate::saga::{Event, ObjectStatus, Origin, RecordedObject, RestingObject, codes};
use crate::store::Write;
use crate::survey::{Calls, Configured, Records, importing};

impl Session {
    /// Records what exists under an id as an address that the stack declares. Nothing outside changes; what
    /// differs from the declaration is shown by the next plan. Returns what a person should know about it.
    ///
    /// # Errors
    /// The address is not declared or recorded already, there is no such thing, or it is recorded elsewhere.
    pub async fn import(
        &self,
        workspace: &Workspace,
        address: &Address,
        id: &str,
        cancellation: &Cancellation,
    ) -> Result<Vec<String>, Failure> {
        let state = self.state().await?;
        if state.addresses.get(address).is_some_and(|entry| entry.current.is_some()) {
            return Err(Failure::one(
                Diagnostic::error(codes::ADDRESS_TAKEN, format!("something is recorded as `{address}` already"))
                    .hint(format!("`retrue state rm {address}` drops that record, and changes nothing outside")),
            ));
        }
        let only = BTreeSet::from([address.clone()]);
        let planned = self
            .plan_kind(workspace, &PlanOptions::default(), PlanKind::Apply, Vec::new(), Some(&only), cancellation)
            .await?;
        let wanted =
            |step: &&Step| step.id.address == *address && (step.id.effect == StepEffect::Create || step.adopts);
        let Some(step) = planned.plan.steps.iter().find(wanted) else {
            return Err(Failure::one(
                Diagnostic::error(codes::NOT_RECORDED, format!("the stack declares no `{address}`"))
                    .hint("write its block first: an import fills the record, and the block says what shall hold"),
            ));
        };
        let configured = planned.providers.get(&step.provider).ok_or_else(|| {
            Failure::one(Diagnostic::error(
                plan_codes::NO_PROVIDER,
                format!("there is no provider `{}`", step.provider),
            ))
        })?;
        let (object, others) = self.imported(step, configured, id, cancellation).await?;
        let records = Records::open(&state, &[], self.seal())
            .map_err(|error| Failure::one(Diagnostic::error(codes::SEALED, error.to_string())))?;
        if let Some(other) = importing::owner(&records, address, &object.provider.instance, &object.attributes) {
            let hint = format!("`retrue state mv {other} {address}` renames it");
            return Err(Failure::one(importing::owned_elsewhere(id, other).hint(hint)));
        }
        let resting = RestingObject::new(&object, self.seal());
        let value = serde_json::to_value(&resting).map_err(|error| journal_stop(&error.into()))?;
        let entry = Entry {
            address: Some(address.clone()),
            step: None,
            event: Event::Recorded { what: format!("it was imported as `{id}`"), object: Some(Box::new(resting)) },
            writes: vec![
                Write::Put { key: object_key(address, &ObjectKey::Current), value },
                Write::Put { key: generation_key(address), value: object.generation.into() },
            ],
        };
        self.surgery(vec![entry]).await?;
        Ok(others.iter().map(|other| not_imported(other)).collect())
    }

    /// Reads what a person named, and makes a record of it. Returns what else the id stands for as well.
    async fn imported(
        &self,
        step: &Step,
        configured: &Configured,
        id: &str,
        cancellation: &Cancellation,
    ) -> Result<(RecordedObject, Vec<String>), Failure> {
        let address = &step.id.address;
        let problem = |text: String| {
            let hint = "the documentation of the type says what its id looks like";
            Failure::one(Diagnostic::error(plan_codes::PROVIDER, format!("`{address}`: {text}")).hint(hint))
        };
        let config = step.config.value.clone();
        let plain = config.clone().unmark_deep().0;
        let capability = configured.provider.capability(&step.type_name, &plain);
        let limit = capability.time_limits.read;
        let calls = Calls::reading(cancellation.hard.clone());
        let found = importing::find(configured, address, id, &plain, &calls).await.map_err(problem)?;
        let (observed, others) = (found.object, found.others);
        if let Some(foreign) = foreign_marker(&observed, self.lineage()) {
            return Err(Failure::one(belongs_elsewhere(address, &foreign)));
        }
        let context = retrue_provider_api::Context { blobs: self.store.blobs(), ..calls.context(address, limit) };
        let request = ImageRequest {
            object: ReadRequest {
                type_name: step.type_name.to_string(),
                state: observed.state.clone(),
                config: plain,
                private: observed.private.clone(),
                identity: observed.identity.clone(),
            },
            effect: None,
            planned: Value::null(Type::Dynamic),
        };
        let image = configured.provider.image(&context, request).await.map_err(|error| problem(error.to_string()))?;
        let empty = Block::default();
        let block = configured.schema.resources.get(step.type_name.as_ref()).map_or(&empty, |schema| &schema.block);
        let marked = |state: Value| mark_planned(block, state, Some(&config));
        let object = RecordedObject {
            status: ObjectStatus::Ok,
            attributes: marked(observed.state),
            private: observed.private,
            identity: observed.identity,
            schema_version: step.schema_version,
            provider: configured.recorded_as(&step.provider),
            provenance: step.provenance.clone(),
            dependencies: step.dependencies.clone(),
            generation: step.generation,
            run: String::new(),
            origin: Origin::Adopted(Some(Image { state: marked(image.state), ..image })),
            lifecycle: step.lifecycle.clone(),
            sent_write_only: false,
            owed: Vec::new(),
            config,
        };
        Ok((object, others))
    }
}
