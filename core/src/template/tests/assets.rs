//! What templates see of assets and their events.

use serde_json::json;

use super::{context, object};
use crate::template::{Answer, Lookup, Lookups, RenderError, Renderer, Scope, TemplateContext};

fn scope() -> Scope {
    let asset = |name: &str, uri: &str| {
        let extra = json!({"owner": "ml"});
        json!({"name": name, "uri": uri, "group": "asset", "extra": extra})
    };
    let happened = |mut asset: serde_json::Value, ids: &[i64]| {
        let event = |id: &i64| {
            json!({
                "id": id, "timestamp": "2025-03-01T15:00:00Z", "extra": {"version": id},
                "source_dag_id": "ct", "source_run_id": "r", "source_task_id": "train",
                "source_map_index": -1,
            })
        };
        asset["events"] = ids.iter().map(event).collect();
        asset
    };
    let (model, rows) = (asset("model", "s3://m"), asset("rows", "rows"));
    let extra = object(json!({"inlets": [model, rows], "outlets": [asset("out", "out")]}));
    let mut lookups = Lookups::new();
    let consumed = json!([happened(model.clone(), &[1, 2]), happened(rows, &[3])]);
    lookups.insert(Lookup::TriggeringEvents, Answer::Value(consumed));
    let newest = Answer::Value(happened(model, &[7, 8]));
    lookups.insert(Lookup::AssetEvents { asset: "model".to_owned() }, newest);
    lookups.insert(Lookup::AssetEvents { asset: "rows".to_owned() }, Answer::Missing);
    Scope::new(TemplateContext { extra, ..context() }, lookups)
}

fn render(template: &str) -> Result<String, RenderError> {
    Renderer::default().render("t", template, &scope())
}

#[test]
fn templates_see_what_started_the_run() {
    let check = |template: &str, expected: &str| {
        assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
    };
    let each = "{% for asset, events in triggering_asset_events.items() %}{{ asset.uri }}: \
                {{ events | map(attribute='extra.version') | list }} {% endfor %}";
    check(each, "s3://m: [1, 2] rows: [3] ");
    check("{{ triggering_asset_events['model'][-1].extra.version }}", "2");
    check("{{ triggering_asset_events['s3://m'] | length }}", "2");
    check("{{ (triggering_asset_events.values() | first | first).source_task_id }}", "train");
    check("{{ triggering_asset_events['model'][0].timestamp | ds }}", "2025-03-01");
    check("{{ triggering_asset_events | list }}", "['model', 'rows']");
    check("{{ triggering_asset_events.get('none', 'x') }}", "x");
    check("{{ inlets[0] }} {{ outlets[0].name }} {{ inlets[0].extra.owner }}", "s3://m out ml");
    check("{{ inlet_events['s3://m'][-1].extra.version }}", "8");
    check("{{ inlet_events[inlets[0]] | length }}{{ inlet_events[1] | length }}", "20");
}

#[test]
fn what_is_no_inlet_is_told() {
    let error = render("{{ inlet_events['churn'] }}").expect_err("no inlet").to_string();
    assert!(error.contains("\"churn\" is not among the inlets of this task"), "{error}");
    let bare = Scope::new(context(), Lookups::new());
    let found = Renderer::default().render("t", "{{ triggering_asset_events }}", &bare);
    assert_eq!(found, Err(RenderError::Needs(vec![Lookup::TriggeringEvents])));
}
