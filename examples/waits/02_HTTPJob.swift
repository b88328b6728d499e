// SPDX-License-Identifier: Apache-2.0

import Perch

struct Job: Codable, Sendable {
    let id: String, state: String, rows: Int?
}

/// A job is submitted once to a service, asked for each 30 seconds, and its result taken over.
let httpJob = DAG("http_job", params: ["service": "http://localhost:8080"]) { dag in
    let job = dag.add("submit", .httpRequest("{{ params.service }}/jobs", method: "POST"), retries: 3)
    dag.task("result", job) { context, answer in
        let job = try answer.decode(Job.self)
        let isDone = HTTPCondition.json("$.state", in: ["DONE", "FAILED"])
        let done = try await context.wait(
            for: .http("{{ params.service }}/jobs/\(job.id)", every: .seconds(30), until: isDone), timeout: .hours(6))
        return try done.decode(Job.self)
    }
}
