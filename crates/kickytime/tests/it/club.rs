//! What the people of a futsal club do, in browsers, in both languages.

use crate::browser::{Browser, Driver};
use crate::region::{Region, eventually};

/// Titles of the first page, and of the matches.
const KOREAN: (&str, &str) = ("오늘 저녁", "다가오는 경기");
const ENGLISH: (&str, &str) = ("A game tonight?", "Coming up");
const PLACE: &str = "잠실 풋살파크 2구장";

/// The site's first page, in the language wanted.
fn open<'a>(region: &Region, driver: &'a Driver, language: &str, title: &str) -> Browser<'a> {
    let browser = driver.open(language);
    browser.visit(&region.site());
    // the page decides its language when its scripts run: until then there is no title
    eventually("the first page", || !browser.text("h1").is_empty());
    if !browser.text("h1").contains(title) {
        browser.click("[data-testid=language]");
    }
    browser.expect("h1", title);
    browser
}

/// Signs in through the hosted page and comes back to `title`.
fn sign_in(region: &Region, browser: &Browser<'_>, email: &str, title: &str) {
    let (email, password) = region.sign_in(email);
    browser.click("[data-testid=sign-in]");
    browser.fill("input[name=username]", &email);
    browser.fill("input[type=password]", &password);
    browser.click("button[name=submit]");
    browser.expect("h1", title);
    let address = browser.address();
    assert!(
        !address.contains("code="),
        "the code does not stay in the address: {address}"
    );
}

/// From the first sign-in to a full match, and one who leaves.
pub(crate) fn a_match_from_open_to_full(region: &Region, driver: &Driver) {
    let admin = open(region, driver, "ko-KR", KOREAN.0);
    assert_eq!(admin.attribute("html", "lang"), "ko");
    admin.photograph("welcome");
    sign_in(region, &admin, "admin@kickytime.test", KOREAN.1);

    admin.click("[data-testid=nav-manage]");
    admin.expect("h1", "경기 관리");
    admin.fill("#location", PLACE);
    admin.fill("#maxPlayers", "2");
    admin.click("[data-testid=create-match]");
    admin.expect("[data-testid=match-card] h3", PLACE);
    admin.expect("[data-testid=match-seats]", "0/2");

    let minji = open(region, driver, "ko-KR", KOREAN.0);
    sign_in(region, &minji, "minji@kickytime.test", KOREAN.1);
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

    let junho = open(region, driver, "en-US", ENGLISH.0);
    assert_eq!(junho.attribute("html", "lang"), "en");
    sign_in(region, &junho, "junho@kickytime.test", ENGLISH.1);
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
    let minji = open(region, driver, "ko-KR", KOREAN.0);
    sign_in(region, &minji, "minji@kickytime.test", KOREAN.1);
    minji.expect("[data-testid=match-card] h3", PLACE);
    minji.expect("[data-testid=match-seats]", "1/2");
    minji.expect("[data-testid=leave]", "빠지기");
    assert!(minji.title().contains("Kickytime"));
}
