use std::io::Read as _;

use super::*;

fn connection() -> Connection {
    let secret = serde_json::json!({ "username": "u'x", "password": "p:w\\d'§" });
    Connection {
        host: "db.example".to_owned(),
        address: "127.0.0.1:55432".parse().unwrap(),
        database: "kick".to_owned(),
        credentials: aws::secrets_manager::DatabaseCredentials::read(&secret.to_string()).unwrap(),
        authorities: PathBuf::from("/tmp/a b/ca.pem"),
    }
}

#[test]
fn what_others_can_list_has_no_password() {
    let text = keywords(&connection(), Path::new("/proc/self/fd/3"));
    assert_eq!(
        text,
        "host='db.example' hostaddr='127.0.0.1' port='55432' dbname='kick' user='u\\'x' \
         passfile='/proc/self/fd/3' sslmode='verify-full' sslrootcert='/tmp/a b/ca.pem' \
         gssencmode='disable' application_name='kickytime db'"
    );
}

#[test]
fn the_password_file_is_as_libpq_wants_it() {
    let file = password_file(&connection()).unwrap();
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(file.metadata().unwrap().is_file());
    let mut text = String::new();
    let place = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::open(place)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "db.example:55432:kick:u'x:p\\:w\\\\d'§\n");
}

#[test]
fn a_url_holds_any_password() {
    assert_eq!(
        url(&connection()),
        "postgresql://u%27x:p%3Aw%5Cd%27%C2%A7@db.example:55432/kick?hostaddr=127.0.0.1\
         &sslmode=verify-full&sslrootcert=%2Ftmp%2Fa%20b%2Fca.pem"
    );
}

#[test]
fn an_exit_status_is_passed_on_as_shells_do() {
    assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
    assert_eq!(code(ExitStatus::from_raw(15)), 143);
}
