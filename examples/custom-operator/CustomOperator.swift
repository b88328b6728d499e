// SPDX-License-Identifier: Apache-2.0

import Perch

/// An operator of one's own: work is handed to another program through a folder, and waited for.
///
/// ```
/// swift run custom-operator standalone &
/// swift run custom-operator dags trigger convert --run-id one --wait
/// swift run custom-operator tasks logs convert one video
/// ```
@main
struct CustomOperator: DAGBundle {
    let dags: [DAG] = [
        DAG("convert", params: ["spool": "/tmp/perch-spool"]) { dag in
            let video = dag.add("video", .spool("{{ run_id }}", folder: "{{ params.spool }}"))

            // Plays the other program: takes the request and leaves the result.
            dag.task("converter") { context in
                let folder = try context.param("spool", as: String.self)
                let name = context.runID
                try await context.wait(for: .file("\(folder)/\(name).request"), timeout: .minutes(5))
                try await context.step("convert") { try Spool(folder: folder).answer(name, "1920x1080") }
            }

            dag.task("report", video) { context, result in
                context.log.info("the video came out as \(result.text)")
            }
        }
    ]
}
