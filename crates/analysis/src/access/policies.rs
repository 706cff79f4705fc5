//! Every policy of a model, compiled once, with the lines of its statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use cfn::{Kind, Provenance, Symbol, Value};
use iam::{Named, PolicyDocument, PolicyFault, PolicyKind};
use model::{LogicalId, Model, Policy};
use serde_json::Value as Json;

use super::managed;

/// A compiled policy and what it is attached to.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) named: Named,
    pub(crate) kind: PolicyKind,
}

/// All documents of a model, by what they belong to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store<'a> {
    model: Option<&'a Model>,
    /// Shared with those who ask on a role's behalf.
    identity: BTreeMap<LogicalId, Arc<Vec<Named>>>,
    resources: BTreeMap<LogicalId, Document>,
    endpoints: BTreeMap<LogicalId, Document>,
    /// Managed policies of the template, attached or not.
    pub(crate) managed: BTreeMap<LogicalId, Named>,
    /// By the document's name: the value it was written as.
    sources: BTreeMap<String, &'a Value>,
    /// Documents IAM would not accept.
    pub(crate) faults: Vec<(Provenance, PolicyFault)>,
    /// Managed policies outside the template whose content is not known here.
    pub(crate) unknown: Vec<(LogicalId, String)>,
    /// By role: what it may do at most.
    boundaries: BTreeMap<LogicalId, Named>,
    /// Boundaries whose content is not known here, and which so far do not count.
    pub(crate) unknown_boundaries: BTreeMap<LogicalId, String>,
}

impl<'a> Store<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        let mut store = Self {
            model: Some(model),
            ..Self::default()
        };
        for role in model.roles.values() {
            let mut documents = Vec::new();
            for policy in &role.policies {
                let name = format!("{}/{}", role.id, policy.name);
                documents.extend(store.policy(&name, policy));
            }
            for arn in &role.managed_policy_arns {
                match managed::find(arn) {
                    Some(document) => documents.push(document),
                    None => store.unknown.push((role.id.clone(), arn.clone())),
                }
            }
            store.identity.insert(role.id.clone(), Arc::new(documents));
            let name = format!("{}/trust", role.id);
            let trust = store.policy(&name, &role.trust);
            store.add_resource(&role.id, trust, PolicyKind::Trust);
        }
        for key in model.keys.values() {
            let source = property(model, &key.id, "KeyPolicy");
            let named = store.json(&key.id, "key policy", &key.policy, source);
            store.add_resource(&key.id, named, PolicyKind::Key);
        }
        for repository in model.repositories.values() {
            if let Some(policy) = &repository.policy {
                let source = property(model, &repository.id, "RepositoryPolicyText");
                let policy = about(policy, &repository.arn);
                let named = store.json(&repository.id, "repository policy", &policy, source);
                store.add_resource(&repository.id, named, PolicyKind::Resource);
            }
        }
        for bucket in model.buckets.values() {
            if let Some(policy) = &bucket.policy {
                let source = bucket_policy_source(model, &bucket.id);
                let named = store.json(&bucket.id, "bucket policy", policy, source);
                store.add_resource(&bucket.id, named, PolicyKind::Resource);
            }
        }
        store.endpoints(model);
        store.managed(model);
        store.boundaries(model);
        store
    }

    pub(crate) fn boundary(&self, role: &LogicalId) -> Option<&Named> {
        self.boundaries.get(role)
    }

    /// A boundary is a managed policy: one of the template, or AWS's.
    fn boundaries(&mut self, model: &'a Model) {
        for role in model.roles.values() {
            let Some(arn) = &role.permissions_boundary else {
                continue;
            };
            let own = self
                .managed
                .iter()
                .find(|(id, _)| model.resolve(&Symbol::Ref(id.to_string())).as_ref() == Some(arn));
            let known = own.map(|(_, named)| named.clone());
            match known.or_else(|| managed::find(arn)) {
                Some(named) => {
                    self.boundaries.insert(role.id.clone(), named);
                }
                None => {
                    self.unknown_boundaries.insert(role.id.clone(), arn.clone());
                }
            }
        }
    }

    pub(crate) fn identity(&self, role: &LogicalId) -> &[Named] {
        self.identity.get(role).map_or(&[], |documents| documents)
    }

    pub(crate) fn shared_identity(&self, role: &LogicalId) -> Arc<Vec<Named>> {
        self.identity.get(role).cloned().unwrap_or_default()
    }

    pub(crate) fn resource(&self, id: &LogicalId) -> Option<&Document> {
        self.resources.get(id)
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = (&LogicalId, &Document)> {
        self.resources.iter()
    }

    pub(crate) fn endpoint(&self, id: &LogicalId) -> Option<&Document> {
        self.endpoints.get(id)
    }

    /// Where a statement stands, by its document's name and its index.
    pub(crate) fn statement(&self, document: &str, index: usize) -> Option<Provenance> {
        let statements = self.sources.get(document)?.get("Statement")?;
        statements
            .items()
            .get(index)
            .map(|statement| statement.provenance.clone())
    }

    fn policy(&mut self, name: &str, policy: &'a Policy) -> Option<Named> {
        if policy.document.is_null() {
            return None;
        }
        if let Some(source) = &policy.source {
            self.sources.insert(name.to_owned(), source);
        }
        self.parse(name, &policy.document, &policy.provenance)
    }

    fn json(
        &mut self,
        id: &LogicalId,
        what: &str,
        document: &Json,
        source: Option<&'a Value>,
    ) -> Option<Named> {
        if document.is_null() {
            return None;
        }
        let name = format!("{id} {what}");
        let provenance = source
            .map(|source| source.provenance.clone())
            .unwrap_or_default();
        if let Some(source) = source {
            self.sources.insert(name.clone(), source);
        }
        self.parse(&name, document, &provenance)
    }

    fn parse(&mut self, name: &str, document: &Json, at: &Provenance) -> Option<Named> {
        match PolicyDocument::parse(document) {
            Ok(document) => Some(Named::new(name, document)),
            Err(mut faults) => {
                let all = faults.len();
                faults.retain(|fault| !self.is_unknown(name, &fault.path));
                if faults.len() < all {
                    let holder = LogicalId::new(&at.logical_id);
                    self.unknown.push((holder, name.to_owned()));
                }
                self.faults
                    .extend(faults.into_iter().map(|fault| (at.clone(), fault)));
                None
            }
        }
    }

    /// Whether nobody can say what stands at a path of a document, or above it:
    /// it hangs on a value that only AWS or a parameter knows.
    fn is_unknown(&self, document: &str, path: &str) -> bool {
        let Some((model, source)) = self.model.zip(self.sources.get(document)) else {
            return false;
        };
        let is_known = |value: &Value| match &value.kind {
            Kind::Symbol(_) | Kind::Text(_) => {
                value.render(&|symbol| model.resolve(symbol)).is_some()
            }
            _ => true,
        };
        let mut value = *source;
        for part in path.split('/').skip(1) {
            if !is_known(value) {
                return true;
            }
            let index: Option<usize> = part.parse().ok();
            let next = value.get(part);
            match next.or_else(|| value.items().get(index?)) {
                Some(next) => value = next,
                None => return false,
            }
        }
        !is_known(value)
    }

    fn add_resource(&mut self, id: &LogicalId, named: Option<Named>, kind: PolicyKind) {
        if let Some(named) = named {
            self.resources.insert(id.clone(), Document { named, kind });
        }
    }

    fn endpoints(&mut self, model: &'a Model) {
        for endpoint in model.vpc_endpoints.values() {
            let Some(policy) = &endpoint.policy else {
                continue;
            };
            let source = property(model, &endpoint.id, "PolicyDocument");
            let named = self.json(&endpoint.id, "policy", policy, source);
            if let Some(named) = named {
                let kind = PolicyKind::Endpoint;
                self.endpoints
                    .insert(endpoint.id.clone(), Document { named, kind });
            }
        }
    }

    fn managed(&mut self, model: &'a Model) {
        let all = model.stack.resources.values();
        for resource in all.filter(|resource| resource.resource_type == "AWS::IAM::ManagedPolicy") {
            let Some(source) = resource.properties.get("PolicyDocument") else {
                continue;
            };
            let spell =
                |symbol: &Symbol| Some(model.resolve(symbol).unwrap_or_else(|| symbol.to_string()));
            let id = LogicalId::new(&resource.logical_id);
            let Some(json) = source.to_json(&spell) else {
                continue;
            };
            if let Some(named) = self.json(&id, "policy", &json, Some(source)) {
                self.managed.insert(id, named);
            }
        }
    }
}

/// A repository's policy is about the repository, and says so by default.
/// (Amazon ECR User Guide, "Private repository policies")
fn about(policy: &Json, arn: &str) -> Json {
    let mut policy = policy.clone();
    let statements = match policy.get_mut("Statement") {
        Some(Json::Array(statements)) => statements.as_mut_slice(),
        Some(statement) => std::slice::from_mut(statement),
        None => return policy,
    };
    for statement in statements.iter_mut().filter_map(Json::as_object_mut) {
        if !statement.contains_key("NotResource") {
            statement.entry("Resource").or_insert_with(|| arn.into());
        }
    }
    policy
}

fn property<'a>(model: &'a Model, id: &LogicalId, name: &str) -> Option<&'a Value> {
    model.stack.resources.get(id.as_str())?.properties.get(name)
}

/// The document of the bucket policy resource that is about a bucket.
fn bucket_policy_source<'a>(model: &'a Model, bucket: &LogicalId) -> Option<&'a Value> {
    let name = model.buckets.get(bucket).map(|bucket| bucket.name.as_str());
    let resources = model.stack.resources.values();
    let policy = resources
        .filter(|resource| resource.resource_type == "AWS::S3::BucketPolicy")
        .find(|resource| {
            let about = resource.properties.get("Bucket");
            about.and_then(|value| model.text(value)).as_deref() == name
        })?;
    policy.properties.get("PolicyDocument")
}

/// Which document of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementHolder {
    kind: HolderKind,
    id: LogicalId,
    /// The document's name in answers.
    pub(crate) document: String,
}

impl StatementHolder {
    /// The part the document plays.
    pub(crate) fn policy_kind(&self) -> PolicyKind {
        match self.kind {
            HolderKind::Identity | HolderKind::Managed => PolicyKind::Identity,
            HolderKind::Resource(kind) => kind,
            HolderKind::Endpoint => PolicyKind::Endpoint,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HolderKind {
    Identity,
    Resource(PolicyKind),
    Endpoint,
    Managed,
}

impl Store<'_> {
    /// Every compiled document.
    pub(crate) fn documents(&self) -> Vec<(StatementHolder, PolicyDocument)> {
        let holder = |kind, id: &LogicalId, named: &Named| {
            let holder = StatementHolder {
                kind,
                id: id.clone(),
                document: named.name.clone(),
            };
            (holder, named.document.clone())
        };
        let mut all = Vec::new();
        for (id, documents) in &self.identity {
            // A managed policy of the template counts once, where it is written.
            all.extend(
                documents
                    .iter()
                    .map(|named| holder(HolderKind::Identity, id, named)),
            );
        }
        for (id, document) in &self.resources {
            all.push(holder(
                HolderKind::Resource(document.kind),
                id,
                &document.named,
            ));
        }
        for (id, document) in &self.endpoints {
            all.push(holder(HolderKind::Endpoint, id, &document.named));
        }
        for (id, named) in &self.managed {
            all.push(holder(HolderKind::Managed, id, named));
        }
        all
    }

    pub(crate) fn document(&self, holder: &StatementHolder) -> Option<&PolicyDocument> {
        let named = match holder.kind {
            HolderKind::Identity => {
                let documents = self.identity.get(&holder.id)?;
                documents
                    .iter()
                    .find(|named| named.name == holder.document)?
            }
            HolderKind::Resource(_) => &self.resources.get(&holder.id)?.named,
            HolderKind::Endpoint => &self.endpoints.get(&holder.id)?.named,
            HolderKind::Managed => self.managed.get(&holder.id)?,
        };
        Some(&named.document)
    }

    pub(crate) fn document_mut(&mut self, holder: &StatementHolder) -> Option<&mut PolicyDocument> {
        let named = match holder.kind {
            HolderKind::Identity => {
                let documents = self.identity.get_mut(&holder.id)?;
                Arc::make_mut(documents)
                    .iter_mut()
                    .find(|named| named.name == holder.document)?
            }
            HolderKind::Resource(_) => &mut self.resources.get_mut(&holder.id)?.named,
            HolderKind::Endpoint => &mut self.endpoints.get_mut(&holder.id)?.named,
            HolderKind::Managed => self.managed.get_mut(&holder.id)?,
        };
        Some(&mut named.document)
    }
}
