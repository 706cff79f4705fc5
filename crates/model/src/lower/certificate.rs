//! Certificates and DNS records.

use crate::reader::Lowering;
use crate::{Certificate, LogicalId, Model, RecordSet};

use super::elb::ref_text;

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::CertificateManager::Certificate") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "CertificateTransparencyLoggingPreference",
            "DomainValidationOptions",
            "KeyAlgorithm",
            "Tags",
            "ValidationMethod",
        ]);
        let id = LogicalId::new(&resource.logical_id);
        let names = properties.text("DomainName").into_iter();
        let certificate = Certificate {
            arn: ref_text(lowering, &resource.logical_id),
            names: names
                .chain(properties.texts("SubjectAlternativeNames"))
                .collect(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.certificates.insert(id, certificate);
    }
    for resource in lowering.resources("AWS::Route53::RecordSet") {
        let properties = lowering.reader(resource);
        properties.skip(&["Comment", "HostedZoneId", "HostedZoneName", "TTL"]);
        properties.require(&["Name"]);
        let id = LogicalId::new(&resource.logical_id);
        let alias = properties.child("AliasTarget").and_then(|target| {
            target.skip(&["EvaluateTargetHealth", "HostedZoneId"]);
            target.text("DNSName")
        });
        let record_type = properties.text("Type").unwrap_or_else(|| "A".to_owned());
        let records = properties.texts("ResourceRecords");
        let Some(name) = properties.text("Name") else {
            continue;
        };
        let record = RecordSet {
            name: name.trim_end_matches('.').to_owned(),
            record_type,
            alias: alias.is_some(),
            values: alias.into_iter().chain(records).collect(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.record_sets.insert(id, record);
    }
}
