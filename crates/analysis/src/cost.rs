//! What does this system cost a month, and when do endpoints pay?
//!
//! Fixed prices of what stands there and prices per GB of what flows, from one
//! dated data file with its sources (`data/prices.json`, Seoul). What the file
//! has no price for is listed, not guessed.

mod chart;
mod prices;

use cfn::{Provenance, Value};
use model::{EniKind, LoadBalancerKind, LogicalId, Model, VpcEndpointKind};

pub use chart::{svg, terminal};
pub use prices::{Price, Prices};

/// How much the system is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Hours a month it runs.
    pub hours: f64,
    /// GB a month between workloads and AWS services.
    pub service_gb: f64,
    /// GB a month to viewers.
    pub viewer_gb: f64,
    /// GB a month of log events.
    pub log_gb: f64,
}

/// A month's bill.
#[derive(Clone, Debug)]
pub struct Bill {
    /// Dearest first.
    pub lines: Vec<Line>,
    /// What has no price here.
    pub unpriced: Vec<Unpriced>,
    pub break_even: Vec<BreakEven>,
}

/// One position.
#[derive(Clone, Debug)]
pub struct Line {
    pub resource: LogicalId,
    /// `2 interfaces`, `0.25 vCPU and 0.5 GB, twice`.
    pub what: String,
    pub fixed_usd_month: f64,
    /// Price of a GB of its traffic, and how many GB were assumed.
    pub per_gb: Option<(f64, f64)>,
    pub provenance: Provenance,
    /// Which source of the price file says so.
    pub source: String,
}

impl Line {
    pub fn usd_month(&self) -> f64 {
        self.fixed_usd_month + self.per_gb.map_or(0.0, |(price, gb)| price * gb)
    }
}

/// A resource with a part that has no price in the file.
#[derive(Clone, Debug)]
pub struct Unpriced {
    pub resource: LogicalId,
    pub what: String,
}

/// Traffic above which the template's interface endpoints cost less than NAT
/// gateways that would carry it instead.
#[derive(Clone, Debug)]
pub struct BreakEven {
    pub gateways: u32,
    pub endpoints_usd_month: f64,
    pub gateways_usd_month: f64,
    /// 0 when endpoints are cheaper from the first GB.
    pub gb_month: f64,
}

impl Bill {
    pub fn usd_month(&self) -> f64 {
        self.lines.iter().map(Line::usd_month).sum()
    }

    pub fn fixed_usd_month(&self) -> f64 {
        self.lines.iter().map(|line| line.fixed_usd_month).sum()
    }
}

/// The bill of a model.
pub fn cost(model: &Model, prices: &Prices, usage: &Usage) -> Bill {
    let mut ledger = Ledger {
        model,
        prices,
        usage,
        lines: Vec::new(),
        unpriced: Vec::new(),
    };
    ledger.network();
    ledger.balancers();
    ledger.services();
    ledger.instances();
    ledger.databases();
    ledger.data();
    let mut bill = Bill {
        break_even: break_even(model, prices, usage),
        lines: ledger.lines,
        unpriced: ledger.unpriced,
    };
    bill.lines.sort_by(|a, b| {
        b.usd_month()
            .total_cmp(&a.usd_month())
            .then_with(|| a.resource.cmp(&b.resource))
    });
    bill
}

struct Ledger<'a> {
    model: &'a Model,
    prices: &'a Prices,
    usage: &'a Usage,
    lines: Vec<Line>,
    unpriced: Vec<Unpriced>,
}

impl<'a> Ledger<'a> {
    /// A line of `count` times a price for each hour, if the file has it.
    fn hourly(&mut self, id: &LogicalId, place: &Provenance, key: &str, count: f64, what: String) {
        let hours = self.usage.hours;
        self.line(id, place, key, count * hours, None, what);
    }

    fn line(
        &mut self,
        id: &LogicalId,
        place: &Provenance,
        key: &str,
        units: f64,
        per_gb: Option<(&str, f64)>,
        what: String,
    ) {
        let Some(price) = self.prices.get(key) else {
            self.unpriced.push(Unpriced {
                resource: id.clone(),
                what,
            });
            return;
        };
        let gb = per_gb.and_then(|(key, gb)| Some((self.prices.get(key)?.usd, gb)));
        self.lines.push(Line {
            resource: id.clone(),
            what,
            fixed_usd_month: price.usd * units,
            per_gb: gb,
            provenance: place.clone(),
            source: price.source.clone(),
        });
    }

    fn network(&mut self) {
        let (model, usage) = (self.model, self.usage);
        let gateways = count(model.nat_gateways.len());
        let has_endpoints = model
            .vpc_endpoints
            .values()
            .any(|endpoint| matches!(endpoint.kind, VpcEndpointKind::Interface { .. }));
        for gateway in model.nat_gateways.values() {
            // With endpoints, service traffic does not pass NAT.
            let gb = if has_endpoints {
                0.0
            } else {
                usage.service_gb / gateways
            };
            let per_gb = Some(("nat_gateway_gb", gb));
            let (id, place) = (&gateway.id, &gateway.provenance);
            self.line(
                id,
                place,
                "nat_gateway_hour",
                usage.hours,
                per_gb,
                "NAT gateway".to_owned(),
            );
            if gateway.allocation.is_some() {
                self.hourly(
                    id,
                    place,
                    "public_ipv4_hour",
                    1.0,
                    "its public address".to_owned(),
                );
            }
        }
        let interfaces = count(
            model
                .enis
                .values()
                .filter(|eni| eni.kind == EniKind::Endpoint)
                .count(),
        );
        for endpoint in model.vpc_endpoints.values() {
            let own = count(model.enis_of(&endpoint.id).count());
            if own > 0.0 {
                let gb = usage.service_gb * own / interfaces;
                let what = format!("endpoint with {own} interfaces");
                let (id, place) = (&endpoint.id, &endpoint.provenance);
                let units = own * usage.hours;
                let per_gb = Some(("interface_endpoint_gb", gb));
                self.line(id, place, "interface_endpoint_hour", units, per_gb, what);
            }
        }
    }

    fn balancers(&mut self) {
        let model = self.model;
        for balancer in model.load_balancers.values() {
            let (id, place) = (&balancer.id, &balancer.provenance);
            let (hour, unit) = match balancer.kind {
                LoadBalancerKind::Application => ("load_balancer_hour", "load_balancer_lcu_hour"),
                LoadBalancerKind::Network => ("network_balancer_hour", "network_balancer_lcu_hour"),
                LoadBalancerKind::Gateway => ("gateway_balancer_hour", "gateway_balancer_lcu_hour"),
            };
            self.hourly(id, place, hour, 1.0, "load balancer".to_owned());
            // One capacity unit is 1 GB an hour; little systems stay below it.
            let units = 1.0_f64.max(self.usage.viewer_gb / self.usage.hours.max(1.0));
            let what = format!("{units:.0} capacity unit at most");
            self.hourly(id, place, unit, units, what);
            if balancer.internet_facing {
                let addresses = count(model.enis_of(id).count());
                let what = format!("{addresses} public addresses");
                self.hourly(id, place, "public_ipv4_hour", addresses, what);
            }
        }
        for distribution in model.distributions.values() {
            let per_gb = Some(("cloudfront_gb", self.usage.viewer_gb));
            let what = "delivery to viewers in Asia".to_owned();
            let (id, place) = (&distribution.id, &distribution.provenance);
            self.line(id, place, "cloudfront_gb", 0.0, per_gb, what);
        }
    }

    fn services(&mut self) {
        let model = self.model;
        for service in model.services.values() {
            let definition = service.task_definition.as_ref();
            let Some(definition) = definition.and_then(|id| model.task_definitions.get(id)) else {
                continue;
            };
            let number = |text: &Option<String>| text.as_ref().and_then(|t| t.parse::<f64>().ok());
            let (Some(cpu), Some(memory)) = (number(&definition.cpu), number(&definition.memory))
            else {
                continue;
            };
            let platform = ["RuntimePlatform", "CpuArchitecture"];
            let arm = self.property(&definition.id, &platform).as_deref() == Some("ARM64");
            let kind = if arm { "arm" } else { "x86" };
            let tasks = f64::from(service.desired_count);
            let (vcpu, gb) = (cpu / 1024.0, memory / 1024.0);
            let (id, place) = (&service.id, &service.provenance);
            let key = format!("fargate_{kind}_vcpu_hour");
            self.hourly(
                id,
                place,
                &key,
                vcpu * tasks,
                format!("{vcpu} vCPU, {tasks} tasks"),
            );
            let key = format!("fargate_{kind}_gb_hour");
            self.hourly(
                id,
                place,
                &key,
                gb * tasks,
                format!("{gb} GB, {tasks} tasks"),
            );
            if service.assign_public_ip {
                let what = format!("{tasks} public addresses");
                self.hourly(id, place, "public_ipv4_hour", tasks, what);
            }
        }
    }

    fn instances(&mut self) {
        let model = self.model;
        for group in model.auto_scaling_groups.values() {
            let template = group.launch_template.as_ref();
            let Some(template) = template.and_then(|id| model.launch_templates.get(id)) else {
                continue;
            };
            let instances = f64::from(group.desired_capacity);
            let kind = template.instance_type.clone().unwrap_or_default();
            let (id, place) = (&group.id, &group.provenance);
            let key = format!("instance_hour:{kind}");
            self.hourly(id, place, &key, instances, format!("{instances} x {kind}"));
            let resource = model.stack.resources.get(template.id.as_str());
            let devices = resource.and_then(|one| {
                one.properties
                    .at(&["LaunchTemplateData", "BlockDeviceMappings"])
            });
            let sizes = devices.map(Value::items).unwrap_or_default().iter();
            let gb: i64 = sizes
                .filter_map(|one| one.at(&["Ebs", "VolumeSize"])?.as_i64())
                .sum();
            let gb = f64::from(i32::try_from(gb).unwrap_or(i32::MAX));
            let what = format!("{instances} volumes of {gb} GB");
            self.line(id, place, "ebs_gp3_gb", gb * instances, None, what);
        }
    }

    fn databases(&mut self) {
        let model = self.model;
        for database in model.databases.values() {
            let class = self
                .property(&database.id, &["DBInstanceClass"])
                .unwrap_or_default();
            let size = self.property(&database.id, &["AllocatedStorage"]);
            let gb: f64 = size.and_then(|text| text.parse().ok()).unwrap_or(0.0);
            let (hour, storage) = if database.multi_az {
                (
                    format!("database_multi_az_hour:{class}"),
                    "database_multi_az_gp3_gb",
                )
            } else {
                (format!("database_hour:{class}"), "database_gp3_gb")
            };
            let zones = if database.multi_az {
                ", standby in another zone"
            } else {
                ""
            };
            let (id, place) = (&database.id, &database.provenance);
            self.hourly(id, place, &hour, 1.0, format!("{class}{zones}"));
            self.line(
                id,
                place,
                storage,
                gb,
                None,
                format!("{gb} GB of storage{zones}"),
            );
        }
    }

    fn data(&mut self) {
        let model = self.model;
        for secret in model.secrets.values() {
            let what = "secret".to_owned();
            self.line(
                &secret.id,
                &secret.provenance,
                "secret_month",
                1.0,
                None,
                what,
            );
        }
        for key in model.keys.values() {
            let what = "key".to_owned();
            self.line(&key.id, &key.provenance, "key_month", 1.0, None, what);
        }
        let groups = count(model.log_groups.len());
        for group in model.log_groups.values() {
            let per_gb = Some(("logs_gb", self.usage.log_gb / groups));
            let what = "log events".to_owned();
            self.line(&group.id, &group.provenance, "logs_gb", 0.0, per_gb, what);
        }
        for resource in model.stack.resources.values() {
            if resource.resource_type == "AWS::CloudWatch::Alarm" {
                let id = LogicalId::new(&resource.logical_id);
                let place = &resource.provenance.0;
                self.line(&id, place, "alarm_month", 1.0, None, "alarm".to_owned());
            }
        }
    }

    fn property(&self, id: &LogicalId, path: &[&str]) -> Option<String> {
        let resource = self.model.stack.resources.get(id.as_str())?;
        self.model.text(resource.properties.at(path)?)
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// For one and for two gateways: the traffic at which both cost the same.
fn break_even(model: &Model, prices: &Prices, usage: &Usage) -> Vec<BreakEven> {
    let price = |key: &str| prices.get(key).map_or(0.0, |price| price.usd);
    let interfaces = model
        .enis
        .values()
        .filter(|eni| eni.kind == EniKind::Endpoint)
        .count();
    if interfaces == 0 {
        return Vec::new();
    }
    let endpoints = count(interfaces) * price("interface_endpoint_hour") * usage.hours;
    let gateway = (price("nat_gateway_hour") + price("public_ipv4_hour")) * usage.hours;
    let saved = price("nat_gateway_gb") - price("interface_endpoint_gb");
    let one = |gateways: u32| {
        let gateways_usd_month = f64::from(gateways) * gateway;
        BreakEven {
            gateways,
            endpoints_usd_month: endpoints,
            gateways_usd_month,
            gb_month: ((endpoints - gateways_usd_month) / saved).max(0.0),
        }
    };
    [1, 2].map(one).to_vec()
}

#[cfg(test)]
mod tests;
