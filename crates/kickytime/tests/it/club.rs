//! What the people of a futsal club do, in browsers, in both languages.

use crate::browser::{Browser, Driver};
use crate::region::Region;

const PLACE: &str = "잠실 풋살파크 2구장";

/// Signs in through the hosted page.
fn sign_in(region: &Region, browser: &Browser<'_>, email: &str) {
    let (email, password) = region.sign_in(email);
    browser.visit(&region.site());
    browser.click("[data-testid=sign-in]");
    browser.fill("input[type=email], input[name=username]", &email);
    browser.fill("input[type=password]", &password);
    browser.click("button[name=submit]");
    browser.expect(
        "h1",
        if language(browser) == "ko" {
            "다가오는 경기"
        } else {
            "Coming up"
        },
    );
    let address = browser.address();
    assert!(
        !address.contains("code="),
        "the code does not stay in the address: {address}"
    );
}

fn language(browser: &Browser<'_>) -> String {
    browser.attribute("html", "lang")
}

/// From the first sign-in to a full match, and one who leaves.
pub(crate) fn a_match_from_open_to_full(region: &Region, driver: &Driver) {
    let admin = driver.open("ko-KR");
    admin.visit(&region.site());
    admin.expect("h1", "오늘 저녁");
    admin.photograph("welcome");
    assert_eq!(language(&admin), "ko");
    sign_in(region, &admin, "admin@kickytime.test");

    admin.click("[data-testid=nav-manage]");
    admin.expect("h1", "경기 관리");
    admin.fill("#location", PLACE);
    admin.fill("#maxPlayers", "2");
    admin.click("[data-testid=create-match]");
    admin.expect("[data-testid=match-card] h3", PLACE);
    admin.expect("[data-testid=match-seats]", "0/2");

    let minji = driver.open("ko-KR");
    sign_in(region, &minji, "minji@kickytime.test");
    assert_eq!(
        minji.text("[data-testid=nav-manage]"),
        "",
        "players manage nothing"
    );
    minji.expect("[data-testid=match-status]", "모집 중");
    minji.click("[data-testid=join]");
    minji.expect("[data-testid=match-seats]", "1/2");
    minji.expect("[data-testid=leave]", "빠지기");
    minji.photograph("joined");

    let junho = driver.open("en-US");
    junho.visit(&region.site());
    if language(&junho) != "en" {
        junho.click("[data-testid=language]");
    }
    junho.expect("h1", "A game tonight?");
    sign_in(region, &junho, "junho@kickytime.test");
    junho.expect("[data-testid=match-status]", "Open");
    junho.click("[data-testid=join]");
    junho.expect("[data-testid=match-seats]", "2/2");
    junho.expect("[data-testid=match-status]", "Full");

    junho.photograph("full");
    // the others see it without asking again
    minji.expect("[data-testid=match-status]", "마감");
    admin.click("[data-testid=nav-matches]");
    admin.expect("[data-testid=match-seats]", "2/2");
    admin.expect("[data-testid=join]", "자리 없음");

    junho.click("[data-testid=leave]");
    junho.expect("dialog", "Leave this match?");
    junho.click("dialog .danger");
    junho.expect("[data-testid=match-seats]", "1/2");
    admin.expect("[data-testid=match-status]", "모집 중");
}

/// What was there before is there again.
pub(crate) fn the_match_is_still_there(region: &Region, driver: &Driver) {
    let minji = driver.open("ko-KR");
    sign_in(region, &minji, "minji@kickytime.test");
    minji.expect("[data-testid=match-card] h3", PLACE);
    minji.expect("[data-testid=match-seats]", "1/2");
    minji.expect("[data-testid=leave]", "빠지기");
    assert!(minji.title().contains("Kickytime"));
}
