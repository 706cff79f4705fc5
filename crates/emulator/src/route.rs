//! Which service is a request for? Read from its host name; at the host's own door, where every
//! service has one name, from the credential scope or the operation's target.

use http::Request;
use http::header::{AUTHORIZATION, HOST};

use crate::seed::Seed;

/// A service of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Sts,
    SecretsManager,
    Kms,
    Logs,
    CognitoIdp,
    S3,
    Ecr,
    Iam,
    Ssm,
    SsmMessages,
    Ec2Messages,
    CloudFormation,
    Ec2,
    Rds,
}

/// The shape a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON 1.1: the operation in `X-Amz-Target`.
    Json,
    /// AWS Query: the operation in a form, answers in XML.
    Query,
    /// EC2's older form of it.
    Ec2Query,
    /// S3's: paths, verbs and XML.
    RestXml,
    /// That of `ssmmessages`: JSON in, XML out, and websockets.
    Messages,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The API of a service.
    Api(Service),
    /// An API this emulator does not have; its signing name.
    Unknown(String),
    /// A bucket named by the host.
    Bucket(String),
    /// A user pool's hosted domain, by prefix.
    HostedDomain(String),
    /// A user pool's public documents, by pool id.
    PoolDocuments(String),
    /// The image registry.
    Registry,
}

impl Destination {
    /// The service name of the VPC endpoints that lead here, without its prefix; `None` where
    /// none can.
    pub(crate) fn endpoint_service(&self) -> Option<&str> {
        match self {
            Self::Api(Service::Ecr) => Some("ecr.api"),
            Self::Api(service) => Some(service.signing_name()),
            Self::Unknown(name) => Some(name),
            Self::Bucket(_) => Some(Service::S3.signing_name()),
            Self::PoolDocuments(_) => Some(Service::CognitoIdp.signing_name()),
            Self::Registry => Some("ecr.dkr"),
            Self::HostedDomain(_) => None,
        }
    }
}

struct Entry {
    service: Service,
    /// Host label and signing name.
    name: &'static str,
    /// What precedes the dot in `X-Amz-Target`.
    target: &'static str,
    protocol: Protocol,
    /// The name the service goes by in its own errors.
    title: &'static str,
}

const fn entry(
    service: Service,
    name: &'static str,
    target: &'static str,
    protocol: Protocol,
    title: &'static str,
) -> Entry {
    Entry {
        service,
        name,
        target,
        protocol,
        title,
    }
}

const SERVICES: [Entry; 14] = [
    entry(
        Service::Sts,
        "sts",
        "",
        Protocol::Query,
        "AWS Security Token Service",
    ),
    entry(
        Service::Iam,
        "iam",
        "",
        Protocol::Query,
        "AWS Identity and Access Management",
    ),
    entry(
        Service::SecretsManager,
        "secretsmanager",
        "secretsmanager",
        Protocol::Json,
        "AWS Secrets Manager",
    ),
    entry(
        Service::Kms,
        "kms",
        "TrentService",
        Protocol::Json,
        "AWS KMS",
    ),
    entry(
        Service::Logs,
        "logs",
        "Logs_20140328",
        Protocol::Json,
        "Amazon CloudWatch Logs",
    ),
    entry(
        Service::CognitoIdp,
        "cognito-idp",
        "AWSCognitoIdentityProviderService",
        Protocol::Json,
        "Amazon Cognito user pools",
    ),
    entry(Service::S3, "s3", "", Protocol::RestXml, "Amazon S3"),
    entry(
        Service::Ecr,
        "ecr",
        "AmazonEC2ContainerRegistry_V20150921",
        Protocol::Json,
        "Amazon ECR",
    ),
    entry(
        Service::Ssm,
        "ssm",
        "AmazonSSM",
        Protocol::Json,
        "AWS Systems Manager",
    ),
    entry(
        Service::SsmMessages,
        "ssmmessages",
        "",
        Protocol::Messages,
        "Amazon Session Manager Message Gateway Service",
    ),
    entry(
        Service::Ec2Messages,
        "ec2messages",
        "EC2WindowsMessageDeliveryService",
        Protocol::Json,
        "Amazon Message Delivery Service",
    ),
    entry(
        Service::CloudFormation,
        "cloudformation",
        "",
        Protocol::Query,
        "AWS CloudFormation",
    ),
    entry(Service::Ec2, "ec2", "", Protocol::Ec2Query, "Amazon EC2"),
    entry(Service::Rds, "rds", "", Protocol::Query, "Amazon RDS"),
];

impl Service {
    fn entry(self) -> &'static Entry {
        SERVICES
            .iter()
            .find(|entry| entry.service == self)
            .expect("every service has its row in the table")
    }

    /// The name requests are signed for.
    pub(crate) fn signing_name(self) -> &'static str {
        self.entry().name
    }

    /// The name in `X-Amz-Target`.
    pub(crate) fn target(self) -> &'static str {
        self.entry().target
    }

    /// The shape it speaks.
    pub(crate) fn protocol(self) -> Protocol {
        self.entry().protocol
    }

    /// The name people know it by.
    pub(crate) fn title(self) -> &'static str {
        self.entry().title
    }

    fn by_name(name: &str) -> Option<Self> {
        SERVICES
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.service)
    }

    fn by_target(target: &str) -> Option<Self> {
        let found = SERVICES
            .iter()
            .find(|e| !e.target.is_empty() && e.target == target);
        found.map(|entry| entry.service)
    }
}

/// The host a request is for, as it came, with its port.
pub(crate) fn authority_of<B>(request: &Request<B>) -> &str {
    request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .unwrap_or_default()
}

/// The host a request is for, lower case and without port.
pub(crate) fn host_of<B>(request: &Request<B>) -> String {
    let authority = authority_of(request);
    let host = match authority.rfind(':') {
        Some(at) if authority[at + 1..].bytes().all(|b| b.is_ascii_digit()) => &authority[..at],
        _ => authority,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Finds where a request goes.
pub(crate) fn destination<B>(seed: &Seed, request: &Request<B>) -> Destination {
    let host = host_of(request);
    let found = by_host(seed, &host).unwrap_or_else(|| by_content(seed, request));
    match found {
        Destination::Api(Service::CognitoIdp) => pool_documents(request.uri().path()).map_or(
            Destination::Api(Service::CognitoIdp),
            Destination::PoolDocuments,
        ),
        other => other,
    }
}

fn by_host(seed: &Seed, host: &str) -> Option<Destination> {
    let hosted = format!(".auth.{}.amazoncognito.com", seed.region);
    if let Some(prefix) = host.strip_suffix(&hosted) {
        return Some(Destination::HostedDomain(prefix.to_owned()));
    }
    let name = host.strip_suffix(seed.dns_suffix())?.strip_suffix('.')?;
    let name = name
        .strip_suffix(&format!(".{}", seed.region))
        .unwrap_or(name);
    Some(match name {
        "api.ecr" => Destination::Api(Service::Ecr),
        _ if name.ends_with(".dkr.ecr") => Destination::Registry,
        _ if name.ends_with(".s3") => Destination::Bucket(name[..name.len() - 3].to_owned()),
        _ => Service::by_name(name)
            .map_or_else(|| Destination::Unknown(name.to_owned()), Destination::Api),
    })
}

fn by_content<B>(seed: &Seed, request: &Request<B>) -> Destination {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(target) = header("x-amz-target") {
        let name = target.split('.').next().unwrap_or_default();
        return Service::by_target(name)
            .map_or_else(|| Destination::Unknown(name.to_owned()), Destination::Api);
    }
    if let Some(name) = scope_service(request) {
        return match Service::by_name(&name) {
            Some(service) => Destination::Api(service),
            None => Destination::Unknown(name),
        };
    }
    let path = request.uri().path();
    // older plugins do not sign the upgrade, so that only the path can say
    if ["/v1/data-channel/", "/v1/control-channel/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
    {
        return Destination::Api(Service::SsmMessages);
    }
    if path.starts_with("/v2/") {
        return Destination::Registry;
    }
    match pool_documents(path).filter(|id| seed.user_pools.iter().any(|pool| pool.id == *id)) {
        Some(id) => Destination::PoolDocuments(id),
        None => Destination::Api(Service::S3),
    }
}

/// The service in `Credential=KEY/DAY/REGION/SERVICE/aws4_request`, of header or query.
fn scope_service<B>(request: &Request<B>) -> Option<String> {
    let text = match request.headers().get(AUTHORIZATION) {
        Some(value) => value
            .to_str()
            .ok()?
            .split("Credential=")
            .nth(1)?
            .replace(',', " "),
        None => request
            .uri()
            .query()?
            .split("X-Amz-Credential=")
            .nth(1)?
            .replace("%2F", "/"),
    };
    let scope = text.split([' ', '&']).next()?;
    scope.rsplit('/').nth(1).map(str::to_owned)
}

/// `/POOL_ID/.well-known/…`.
fn pool_documents(path: &str) -> Option<String> {
    let (id, rest) = path.strip_prefix('/')?.split_once('/')?;
    rest.starts_with(".well-known/").then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(uri: &str, headers: &[(&str, &str)]) -> Destination {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        destination(
            &Seed::empty("111122223333", "ap-northeast-2"),
            &request.body(()).unwrap(),
        )
    }

    #[test]
    fn hosts_name_services() {
        use Destination::*;
        let at = |host: &str| to("/", &[("host", host)]);
        assert_eq!(
            at("secretsmanager.ap-northeast-2.amazonaws.com"),
            Api(Service::SecretsManager)
        );
        assert_eq!(at("STS.amazonaws.com:443"), Api(Service::Sts));
        assert_eq!(
            at("api.ecr.ap-northeast-2.amazonaws.com"),
            Api(Service::Ecr)
        );
        assert_eq!(
            at("111122223333.dkr.ecr.ap-northeast-2.amazonaws.com"),
            Registry
        );
        assert_eq!(
            at("web.s3.ap-northeast-2.amazonaws.com"),
            Bucket("web".into())
        );
        assert_eq!(at("a.b.s3.amazonaws.com"), Bucket("a.b".into()));
        assert_eq!(at("s3.ap-northeast-2.amazonaws.com"), Api(Service::S3));
        assert_eq!(
            at("kickytime.auth.ap-northeast-2.amazoncognito.com"),
            HostedDomain("kickytime".into())
        );
        assert_eq!(at("ec2.ap-northeast-2.amazonaws.com"), Api(Service::Ec2));
        assert_eq!(
            at("dynamodb.ap-northeast-2.amazonaws.com"),
            Unknown("dynamodb".into())
        );
    }

    #[test]
    fn at_the_host_door_the_request_itself_says() {
        use Destination::*;
        let host = ("host", "localhost:4566");
        let target = |target| to("/", &[host, ("x-amz-target", target)]);
        assert_eq!(target("TrentService.Decrypt"), Api(Service::Kms));
        assert_eq!(
            target("DynamoDB_20120810.GetItem"),
            Unknown("DynamoDB_20120810".into())
        );
        let scope = "AWS4-HMAC-SHA256 Credential=AK/20261122/ap-northeast-2/sts/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(
            to("/", &[host, ("authorization", scope)]),
            Api(Service::Sts)
        );
        assert_eq!(
            to(
                "/v1/data-channel/operator-1?role=publish_subscribe",
                &[host]
            ),
            Api(Service::SsmMessages)
        );
        assert_eq!(
            to(
                "/k?X-Amz-Credential=AK%2F20261122%2Fr%2Fs3%2Faws4_request",
                &[host]
            ),
            Api(Service::S3)
        );
    }

    #[test]
    fn pool_documents_are_not_the_api() {
        let host = ("host", "cognito-idp.ap-northeast-2.amazonaws.com");
        assert_eq!(
            to("/ap-northeast-2_x/.well-known/jwks.json", &[host]),
            Destination::PoolDocuments("ap-northeast-2_x".into())
        );
        assert_eq!(to("/", &[host]), Destination::Api(Service::CognitoIdp));
    }
}
