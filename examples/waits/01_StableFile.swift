// SPDX-License-Identifier: Apache-2.0

import Foundation
import Perch

/// A file that lands and is no longer written to is parsed and reported.
let stableFile = DAG("stable_file", params: ["folder": "/data/in"]) { dag in
    let landed = dag.sensor(
        "landed", .file("{{ params.folder }}/{{ ds }}.csv", stableFor: .seconds(30)), timeout: .hours(6))
    let totals = dag.task("parse", landed) { _, file in
        try String(contentsOfFile: file.path, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
    }
    dag.task("report", totals) { _, totals in "\(totals.count) orders, \(totals.reduce(0, +)) in all" }
}
