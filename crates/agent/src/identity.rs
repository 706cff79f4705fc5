//! Which instance is this?

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use aws::imds::{Imds, ImdsError};
use tokio_util::sync::CancellationToken;

use crate::chain;
use crate::report::{Part, Standing};

/// Between two questions to a metadata service that does not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// An instance, by its own word.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) instance_id: String,
    pub(crate) region: String,
    pub(crate) local_ipv4: String,
    pub(crate) local_hostname: String,
    /// The CIDR blocks of its VPC: first address and prefix length.
    pub(crate) vpc_cidrs: Vec<(Ipv4Addr, u8)>,
}

/// Asks until the metadata service answers; `None` when `stop` comes first.
pub(crate) async fn learn(
    imds: &Imds,
    standing: &Standing,
    stop: &CancellationToken,
) -> Option<Identity> {
    loop {
        match ask(imds).await {
            Ok(identity) => return Some(identity),
            Err(error) => standing.set(Part::Registration, Err(chain(&error))),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn ask(imds: &Imds) -> Result<Identity, ImdsError> {
    let get = async |path: &str| imds.get(&format!("/latest/meta-data/{path}")).await;
    let mac = get("mac").await?;
    let blocks = format!(
        "network/interfaces/macs/{}/vpc-ipv4-cidr-blocks",
        mac.trim()
    );
    Ok(Identity {
        instance_id: get("instance-id").await?,
        region: get("placement/region").await?,
        local_ipv4: get("local-ipv4").await?,
        local_hostname: get("local-hostname").await?,
        vpc_cidrs: get(&blocks).await?.lines().filter_map(cidr).collect(),
    })
}

fn cidr(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, length) = text.trim().split_once('/')?;
    let length = length.parse().ok().filter(|length| *length <= 32)?;
    Some((address.parse().ok()?, length))
}

impl Identity {
    /// Addresses that no session is forwarded to: services of AWS on the link, and
    /// what AWS keeps of each VPC, the first four addresses and the last.
    pub(crate) fn is_forbidden(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                const LINK_LOCAL: [u8; 5] = [123, 250, 251, 253, 254];
                let [a, b, c, d] = address.octets();
                let is_service = [a, b, c] == [169, 254, 169] && LINK_LOCAL.contains(&d);
                is_service
                    || self
                        .vpc_cidrs
                        .iter()
                        .any(|cidr| is_reserved(*cidr, address))
            }
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => self.is_forbidden(IpAddr::V4(address)),
                None => {
                    const HOSTS: [u16; 4] = [0x123, 0x240, 0x253, 0x254];
                    let segments = address.segments();
                    segments[..7] == [0xfd00, 0xec2, 0, 0, 0, 0, 0] && HOSTS.contains(&segments[7])
                }
            },
        }
    }
}

fn is_reserved((base, length): (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    let (first, asked) = (base.to_bits() & mask, address.to_bits());
    asked & mask == first && (asked - first < 4 || asked == first | !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_keeps_for_itself_is_forbidden() {
        let identity = Identity {
            instance_id: "i-1".to_owned(),
            region: "ap-northeast-2".to_owned(),
            local_ipv4: "10.0.10.5".to_owned(),
            local_hostname: "ip".to_owned(),
            vpc_cidrs: vec![cidr("10.0.0.0/16").unwrap()],
        };
        let forbidden = |text: &str| identity.is_forbidden(text.parse().unwrap());
        for address in [
            "169.254.169.254",
            "169.254.169.253",
            "169.254.169.123",
            "169.254.169.250",
            "169.254.169.251",
            "fd00:ec2::254",
            "fd00:ec2::253",
            "fd00:ec2::123",
            "fd00:ec2::240",
            "10.0.0.0",
            "10.0.0.2",
            "10.0.0.3",
            "10.0.255.255",
            "::ffff:169.254.169.254",
        ] {
            assert!(forbidden(address), "{address}");
        }
        for address in [
            "10.0.0.4",
            "10.0.20.5",
            "10.1.0.2",
            "169.254.170.2",
            "127.0.0.1",
            "::1",
        ] {
            assert!(!forbidden(address), "{address}");
        }
    }

    #[test]
    fn blocks_of_any_size() {
        assert!(is_reserved(
            cidr("0.0.0.0/0").unwrap(),
            "255.255.255.255".parse().unwrap()
        ));
        assert!(is_reserved(
            cidr("10.0.0.1/32").unwrap(),
            "10.0.0.1".parse().unwrap()
        ));
        assert_eq!(cidr("10.0.0.0/33"), None);
        assert_eq!(cidr("nothing"), None);
    }
}
