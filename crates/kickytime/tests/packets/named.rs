//! The template as it is: every pair, and those people ask about by name.

use std::time::Instant;

use analysis::reach::{Point, Protocol, verdict};
use model::EniId;

use crate::differential::{Report, compare};
use crate::draft::Draft;
use crate::world::Outcome::{self, Connected, Dropped};

const VIEWER: &str = "198.51.100.200";
const CLOUDFRONT: &str = "198.51.100.10";
const ALB: &str = "LoadBalancer/PublicSubnetA";
const SECRETS: &str = "SecretsManagerEndpoint/AppSubnetA";

#[track_caller]
fn expect(report: &Report, outcome: Outcome, trips: &[(&str, &str)]) {
    for (from, to) in trips {
        let trip = format!("{from} -> {to}");
        assert_eq!(report.outcome(&trip), outcome, "{trip}");
    }
}

fn compared(what: &str, draft: &Draft) -> Report {
    let since = Instant::now();
    let report = compare(draft);
    println!(
        "  {what}: {} connections tried, {} accepted, {} differences, {:.1} s",
        report.probed(),
        report.accepted(),
        report.differences().len(),
        since.elapsed().as_secs_f32()
    );
    assert!(
        report.differences().is_empty(),
        "{what}:\n{}",
        report.differences().join("\n")
    );
    report
}

pub(crate) fn whole_template() {
    let draft = Draft::template();
    let report = compared("the template", &draft);
    expect(
        &report,
        Connected,
        &[
            ("MatchesAutoScalingGroup/1", "Database:5432"),
            ("UsersService/2", "Database:5432"),
            ("MatchesAutoScalingGroup/1", &format!("{SECRETS}:443")),
            (CLOUDFRONT, &format!("{ALB}:443")),
            (VIEWER, &format!("{ALB}:80")),
            (ALB, "MatchesAutoScalingGroup/1:8080"),
            (ALB, "UsersService/1:8080"),
            ("UsersService/1", &format!("{VIEWER}:443")),
        ],
    );
    expect(
        &report,
        Dropped,
        &[
            (ALB, "Database:5432"),
            (VIEWER, &format!("{ALB}:443")),
            (CLOUDFRONT, "MatchesAutoScalingGroup/1:8080"),
            (VIEWER, "Database:5432"),
            (CLOUDFRONT, "Database:5432"),
            // neighbours in one subnet, in one group
            ("UsersService/1", "MatchesAutoScalingGroup/1:8080"),
            ("UsersService/1", "MatchesAutoScalingGroup/1:22"),
            ("Database", "UsersService/1:8080"),
            ("Database", &format!("{VIEWER}:443")),
        ],
    );
    only_the_balancer_reaches_the_services(&draft, &report);
    the_short_question_has_the_same_answer(&draft, &report);
}

fn only_the_balancer_reaches_the_services(draft: &Draft, report: &Report) {
    let model = draft.model();
    let mut asked = 0;
    for from in model.enis.values() {
        for to in ["MatchesAutoScalingGroup/1", "UsersService/1"] {
            let is_balancer = from.owner.as_str() == "LoadBalancer";
            if from.id.0 != to && !is_balancer {
                let trip = format!("{} -> {to}:8080", from.id);
                assert_eq!(report.outcome(&trip), Dropped, "{trip}");
                asked += 1;
            }
        }
    }
    assert!(asked > 30, "{asked}");
}

/// `analysis::reach::verdict`, as the command line asks it.
fn the_short_question_has_the_same_answer(draft: &Draft, report: &Report) {
    let model = draft.model();
    let database = EniId("Database".to_owned());
    let balancer = EniId(ALB.to_owned());
    let app = Point::Eni(EniId("UsersService/1".to_owned()));
    for (from, name, to, port) in [
        (&app, "UsersService/1", &database, 5432),
        (&app, "UsersService/1", &database, 22),
        (&Point::Internet, VIEWER, &balancer, 443),
        (&Point::Internet, VIEWER, &balancer, 80),
        (&Point::CloudFront, CLOUDFRONT, &balancer, 443),
        (&Point::CloudFront, CLOUDFRONT, &database, 5432),
        (&Point::Eni(balancer.clone()), ALB, &database, 5432),
    ] {
        let answer = verdict(&model, from, to, Protocol::Tcp, port).unwrap();
        let trip = format!("{name} -> {to}:{port}");
        let got_there = report.outcome(&trip).got_there();
        assert_eq!(answer.is_accepted(), got_there, "{trip}");
        assert_eq!(answer.blockers.is_empty(), got_there, "{trip}");
    }
}

pub(crate) fn nat_gateways() {
    let out = [("UsersService/1", "198.51.100.200:443")];
    for (count, outcome) in [("0", Dropped), ("1", Connected), ("2", Connected)] {
        let draft = Draft::small().with("NatGateways", count);
        let report = compared(&format!("NatGateways={count}"), &draft);
        expect(&report, outcome, &out);
        // what the endpoints carry does not depend on it
        expect(
            &report,
            Connected,
            &[
                ("UsersService/1", &format!("{SECRETS}:443")),
                ("UsersService/1", "192.0.2.129:443"),
            ],
        );
    }
}
