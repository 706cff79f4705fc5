//! Databases, secrets, keys, logs, buckets, image repositories.

use model::MasterUser;

use crate::support::{in_vpc, model, not_analysed};

#[test]
fn a_database_with_the_secret_that_is_attached_to_it() {
    let model = in_vpc(
        "
  Key: { Type: AWS::KMS::Key, Properties: { KeyPolicy: { Statement: [] }, EnableKeyRotation: true } }
  Alias: { Type: AWS::KMS::Alias, Properties: { AliasName: alias/club, TargetKeyId: !Ref Key } }
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: club/db
      KmsKeyId: !GetAtt Key.Arn
      GenerateSecretString: { SecretStringTemplate: '{\"username\":\"club\"}', GenerateStringKey: password, PasswordLength: '40', ExcludePunctuation: true }
  Attachment:
    Type: AWS::SecretsManager::SecretTargetAttachment
    Properties: { SecretId: !Ref Secret, TargetId: !Ref Database, TargetType: AWS::RDS::DBInstance }
  Subnets: { Type: AWS::RDS::DBSubnetGroup, Properties: { DBSubnetGroupDescription: x, SubnetIds: [!Ref SubnetA] } }
  Parameters: { Type: AWS::RDS::DBParameterGroup, Properties: { Family: postgres17, Description: x, Parameters: { rds.force_ssl: 1 } } }
  Database:
    Type: AWS::RDS::DBInstance
    Properties:
      DBInstanceIdentifier: Club
      Engine: postgres
      DBName: club
      MasterUsername: !Sub '{{resolve:secretsmanager:${Secret}:SecretString:username}}'
      MasterUserPassword: !Sub '{{resolve:secretsmanager:${Secret}:SecretString:password}}'
      StorageEncrypted: true
      KmsKeyId: !Ref Key
      DBSubnetGroupName: !Ref Subnets
      DBParameterGroupName: !Ref Parameters
      EnableCloudwatchLogsExports: [postgresql]",
    );
    let secret = &model.secrets["Secret"];
    assert_eq!(secret.attached_to, Some("Database".into()));
    assert_eq!(secret.key, Some("Key".into()));
    let generate = secret.generate.as_ref().expect("a generated password");
    assert_eq!((generate.length, generate.exclude_punctuation), (40, true));
    assert_eq!(generate.key.as_deref(), Some("password"));
    let (start, tail) = secret.arn.rsplit_once('-').expect("a suffix");
    assert_eq!(
        start,
        "arn:aws:secretsmanager:ap-northeast-2:123456789012:secret:club/db"
    );
    assert_eq!(tail.len(), 6, "Secrets Manager appends six characters");
    let database = &model.databases["Database"];
    let field = |field: &str| {
        format!(
            "{{{{resolve:secretsmanager:{}:SecretString:{field}}}}}",
            secret.arn
        )
    };
    assert_eq!(
        database.master_username,
        Some(MasterUser {
            name: field("username"),
            password: Some(field("password"))
        })
    );
    assert_eq!(database.parameters["rds.force_ssl"], "1");
    assert_eq!((database.port, database.publicly_accessible), (5432, false));
    assert_eq!(database.key, Some("Key".into()));
    assert!(
        database.endpoint.starts_with("club.c"),
        "{}",
        database.endpoint
    );
    assert!(
        database
            .endpoint
            .ends_with(".ap-northeast-2.rds.amazonaws.com"),
        "{}",
        database.endpoint
    );
    let key = &model.keys["Key"];
    assert_eq!(
        (key.rotation, key.aliases.as_slice()),
        (true, ["alias/club".to_owned()].as_slice())
    );
    let attachment = model.resolve(&cfn::Symbol::Ref("Attachment".into()));
    assert_eq!(attachment.as_ref(), Some(&secret.arn));
}

#[test]
fn a_secret_in_the_open_is_named() {
    let model = model(
        "  Secret: { Type: AWS::SecretsManager::Secret, Properties: { SecretString: hunter2 } }\n",
    );
    let said = not_analysed(&model);
    assert_eq!(
        said,
        ["2: value of `SecretString`: a secret whose value stands in the template"]
    );
    assert!(!format!("{said:?}").contains("hunter2"));
}

#[test]
fn buckets_groups_and_repositories() {
    let model = model(
        "  Key: { Type: AWS::KMS::Key, Properties: { KeyPolicy: {} } }
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: club-web
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: !Ref Key } }] }
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true }
  Policy: { Type: AWS::S3::BucketPolicy, Properties: { Bucket: !Ref Bucket, PolicyDocument: { Statement: [{ Resource: !Sub '${Bucket.Arn}/*' }] } } }
  Open: { Type: AWS::S3::Bucket }
  Group: { Type: AWS::Logs::LogGroup, Properties: { RetentionInDays: 30, KmsKeyId: !GetAtt Key.Arn } }
  Images: { Type: AWS::ECR::Repository, Properties: { RepositoryName: club, ImageTagMutability: IMMUTABLE } }
",
    );
    let bucket = &model.buckets["Bucket"];
    assert_eq!(
        (bucket.encryption.as_deref(), bucket.key.as_ref()),
        (Some("aws:kms"), Some(&"Key".into()))
    );
    assert!(bucket.public_access_blocked);
    assert!(!model.buckets["Open"].public_access_blocked);
    let policy = bucket.policy.as_ref().expect("a policy");
    assert_eq!(
        policy["Statement"][0]["Resource"],
        "arn:aws:s3:::club-web/*"
    );
    let group = &model.log_groups["Group"];
    assert_eq!(
        (group.retention_days, group.key.as_ref()),
        (Some(30), Some(&"Key".into()))
    );
    assert_eq!(
        group.arn,
        format!(
            "arn:aws:logs:ap-northeast-2:123456789012:log-group:{}:*",
            group.name
        )
    );
    let images = &model.repositories["Images"];
    assert!(images.immutable_tags);
    assert_eq!(
        images.uri,
        "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/club"
    );
}

#[test]
fn documents_and_parameters_of_systems_manager() {
    let model = model(
        "
  Shell:
    Type: AWS::SSM::Document
    Properties:
      Name: club-shell
      DocumentType: Session
      DocumentFormat: JSON
      UpdateMethod: NewVersion
      Content: { schemaVersion: '1.0', sessionType: Standard_Stream, inputs: { kmsKeyId: !Ref Tag } }
      Tags: [{ Key: Project, Value: club }]
  Text: { Type: AWS::SSM::Document, Properties: { Content: '{\"schemaVersion\":\"2.2\"}' } }
  Broken: { Type: AWS::SSM::Document, Properties: { Content: 'schemaVersion: 1', DocumentFormat: YAML } }
  Tag:
    Type: AWS::SSM::Parameter
    Properties: { Name: /club/tag, Type: String, Value: v1, Tags: { Project: club } }",
    );
    let shell = &model.ssm_documents["Shell"];
    assert_eq!(
        (shell.name.as_str(), shell.kind.as_str()),
        ("club-shell", "Session")
    );
    assert_eq!(
        shell.content["inputs"]["kmsKeyId"], "/club/tag",
        "a reference is its stand-in"
    );
    assert_eq!(shell.tags["Project"], "club");
    let text = &model.ssm_documents["Text"];
    assert_eq!(
        (text.kind.as_str(), &text.content["schemaVersion"]),
        ("Command", &"2.2".into())
    );
    let tag = &model.ssm_parameters["Tag"];
    assert_eq!((tag.name.as_str(), tag.value.as_str()), ("/club/tag", "v1"));
    assert_eq!(tag.tags["Project"], "club");
    assert_eq!(
        not_analysed(&model),
        ["13: value of `Content`: a text that is not a JSON object, in format YAML"]
    );
}
