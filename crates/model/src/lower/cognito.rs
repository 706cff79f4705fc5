//! User pools with their clients, domain and groups.

use crate::reader::{Lowering, Reader};
use crate::{LogicalId, Model, UserPool, UserPoolClient};

use super::elb::{attribute_text, ref_text};

const POOL: &[&str] = &["AWS::Cognito::UserPool"];

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::Cognito::UserPool") {
        let pool = pool(lowering, &lowering.reader(resource), &resource.logical_id);
        model.user_pools.insert(pool.id.clone(), pool);
    }
    for resource in lowering.resources("AWS::Cognito::UserPoolClient") {
        let properties = lowering.reader(resource);
        let owner = properties.reference("UserPoolId", POOL);
        let client = client(lowering, &properties, &resource.logical_id);
        if let Some(pool) = owner.and_then(|id| model.user_pools.get_mut(&id)) {
            pool.clients.push(client);
        }
    }
    for resource in lowering.resources("AWS::Cognito::UserPoolDomain") {
        let properties = lowering.reader(resource);
        properties.skip(&["CustomDomainConfig", "ManagedLoginVersion"]);
        let owner = properties.reference("UserPoolId", POOL);
        let domain = properties.text("Domain");
        if let Some(pool) = owner.and_then(|id| model.user_pools.get_mut(&id)) {
            pool.domain = domain;
        }
    }
    for resource in lowering.resources("AWS::Cognito::UserPoolGroup") {
        let properties = lowering.reader(resource);
        properties.skip(&["Description", "Precedence", "RoleArn"]);
        let owner = properties.reference("UserPoolId", POOL);
        let name = properties.text("GroupName");
        if let Some(pool) = owner.and_then(|id| model.user_pools.get_mut(&id)) {
            pool.groups.extend(name);
        }
    }
}

fn pool(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> UserPool {
    properties.skip(&[
        "AccountRecoverySetting",
        "AliasAttributes",
        "AutoVerifiedAttributes",
        "DeletionProtection",
        "EmailConfiguration",
        "EmailVerificationMessage",
        "EmailVerificationSubject",
        "EnabledMfas",
        "MfaConfiguration",
        "Schema",
        "SmsConfiguration",
        "SmsVerificationMessage",
        "UserAttributeUpdateSettings",
        "UserPoolAddOns",
        "UserPoolTags",
        "UserPoolTier",
        "UsernameAttributes",
        "UsernameConfiguration",
        "VerificationMessageTemplate",
    ]);
    let admin_only = properties
        .child("AdminCreateUserConfig")
        .and_then(|config| {
            config.skip(&["InviteMessageTemplate"]);
            config.flag("AllowAdminCreateUserOnly")
        });
    let password = properties.child("Policies").and_then(|policies| {
        policies.skip(&["SignInPolicy"]);
        policies.child("PasswordPolicy")
    });
    if let Some(password) = &password {
        password.skip(&[
            "PasswordHistorySize",
            "RequireLowercase",
            "RequireNumbers",
            "RequireSymbols",
            "RequireUppercase",
            "TemporaryPasswordValidityDays",
        ]);
    }
    UserPool {
        id: LogicalId::new(id),
        pool_id: ref_text(lowering, id),
        arn: attribute_text(lowering, id, "Arn"),
        name: properties
            .text("UserPoolName")
            .unwrap_or_else(|| id.to_owned()),
        clients: Vec::new(),
        domain: None,
        groups: Vec::new(),
        self_sign_up: !admin_only.unwrap_or(false),
        minimum_password_length: password
            .and_then(|p| p.number("MinimumLength"))
            .unwrap_or(8),
        provenance: properties.provenance.clone(),
    }
}

fn client(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> UserPoolClient {
    properties.skip(&[
        "AllowedOAuthFlowsUserPoolClient",
        "AuthSessionValidity",
        "DefaultRedirectURI",
        "EnableTokenRevocation",
        "PreventUserExistenceErrors",
        "ReadAttributes",
        "SupportedIdentityProviders",
        "WriteAttributes",
        "RefreshTokenRotation",
    ]);
    let units = properties.child("TokenValidityUnits");
    let unit = |key: &str, default: &str| {
        let unit = units.as_ref().and_then(|units| units.text(key));
        unit.unwrap_or_else(|| default.to_owned())
    };
    let minutes = |key: &str, unit_key: &str, default: u32, default_unit: &str| {
        let count = properties.number::<u32>(key).unwrap_or(default);
        count.saturating_mul(match unit(unit_key, default_unit).as_str() {
            "seconds" => return count.div_ceil(60),
            "minutes" => 1,
            "days" => 24 * 60,
            _ => 60,
        })
    };
    UserPoolClient {
        id: LogicalId::new(id),
        client_id: ref_text(lowering, id),
        name: properties
            .text("ClientName")
            .unwrap_or_else(|| id.to_owned()),
        generate_secret: properties.flag("GenerateSecret").unwrap_or(false),
        callback_urls: properties.texts("CallbackURLs"),
        logout_urls: properties.texts("LogoutURLs"),
        oauth_flows: properties.texts("AllowedOAuthFlows"),
        oauth_scopes: properties.texts("AllowedOAuthScopes"),
        explicit_auth_flows: properties.texts("ExplicitAuthFlows"),
        access_token_validity_min: minutes("AccessTokenValidity", "AccessToken", 1, "hours"),
        id_token_validity_min: minutes("IdTokenValidity", "IdToken", 1, "hours"),
        refresh_token_validity_days: minutes("RefreshTokenValidity", "RefreshToken", 30, "days")
            / (24 * 60),
        provenance: properties.provenance.clone(),
    }
}
