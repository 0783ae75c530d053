//! The sysctls: names, defaults, valid and invalid values.

use crate::{Setting, Settings};

#[test]
fn the_defaults_are_the_kernels() {
    let settings = Settings::default();
    let text = |name| settings.text(Setting::from_name(name).unwrap());
    assert_eq!(Setting::ALL.len(), 27);
    assert_eq!(text("amemthresh"), "1024");
    assert_eq!(text("sync_threshold"), "3\t50");
    assert_eq!(text("conn_reuse_mode"), "1");
    assert_eq!(text("expire_nodest_conn"), "0");
    assert_eq!(Setting::from_name("nosuch"), None);
    let mut names: Vec<_> = Setting::ALL.iter().map(|setting| setting.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 27);
}

#[test]
fn values_are_parsed_like_in_the_kernel() {
    let mut settings = Settings::default();
    for (setting, given, shown) in [
        (Setting::AmDroprate, "7\n", "7"),
        (Setting::AmDroprate, "  0x10 9", "16"),
        (Setting::AmDroprate, "010", "8"),
        (Setting::AmDroprate, "-5", "-5"),
        (Setting::SyncPorts, "8", "8"),
        (Setting::DropEntry, "3", "3"),
        (Setting::SyncThreshold, "5", "5\t50"),
        (Setting::SyncThreshold, "6 0", "6\t0"),
        (Setting::SyncQlenMax, "8589934592", "8589934592"),
    ] {
        settings.set(setting, given).unwrap();
        assert_eq!(settings.text(setting), shown, "{given:?}");
    }
    assert_eq!(settings.number(Setting::SyncThreshold), 6);
}

#[test]
fn invalid_values_change_nothing() {
    for (setting, given) in [
        (Setting::AmDroprate, ""),
        (Setting::AmDroprate, "many"),
        (Setting::AmDroprate, "7x"),
        (Setting::AmDroprate, "2147483648"),
        (Setting::AmDroprate, "--1"),
        (Setting::DropEntry, "4"),
        (Setting::DropEntry, "-1"),
        (Setting::SyncVersion, "2"),
        (Setting::SyncPorts, "3"),
        (Setting::SyncPorts, "0"),
        (Setting::SyncRetries, "4"),
        (Setting::SyncThreshold, "50"),
        (Setting::SyncThreshold, "-1 2"),
        (Setting::SyncQlenMax, "-1"),
    ] {
        let mut settings = Settings::default();
        let error = settings.set(setting, given).unwrap_err();
        assert!(error.to_string().contains(setting.name()), "{error}");
        assert_eq!(settings, Settings::default(), "{given:?}");
    }
}
