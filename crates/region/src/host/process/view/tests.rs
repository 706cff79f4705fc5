use super::*;

#[test]
fn binds_come_before_what_hides_them() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    let view = View {
        binds: vec![Bind {
            source: data,
            name: "data".to_owned(),
            writable: true,
        }],
        hidden: vec![directory.path().to_owned()],
        ..View::default()
    };
    let steps = steps(&view, 1000, 1000, true).unwrap();
    let place = |wanted: &str| {
        steps
            .iter()
            .position(|step| step.describe().contains(wanted))
            .unwrap()
    };
    let hidden = format!("empty file system over `{}`", directory.path().display());
    assert!(place("empty file system over `/run`") < place("at `/run/kickytime/data`"));
    assert!(place("at `/run/kickytime/data`") < place(&hidden));
    assert!(place(&hidden) < place("read-only"));
    assert!(place("read-only") < place("make `/run/kickytime/data` writable"));
}

#[test]
fn a_dangling_link_into_run_is_given_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("resolv.conf");
    std::os::unix::fs::symlink("/run/none-such/stub-resolv.conf", &link).unwrap();
    let (mut steps, mut covers) = (Vec::new(), Vec::new());
    place_file(&mut steps, &mut covers, 0, &link, "nameserver".to_owned()).unwrap();
    let told: Vec<String> = steps.iter().map(Step::describe).collect();
    assert_eq!(
        told,
        [
            "make the directory `/run/none-such`",
            "write `/run/none-such/stub-resolv.conf`"
        ]
    );
    assert!(covers.is_empty());
    place_file(
        &mut steps,
        &mut covers,
        0,
        &directory.path().join("gone"),
        String::new(),
    )
    .unwrap();
    assert_eq!(steps.len(), 2, "a file the host lacks is not made");
}
