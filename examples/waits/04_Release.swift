// SPDX-License-Identifier: Apache-2.0

import Perch

struct Plan: Codable, Sendable {
    let region: String, percent: Int
}

/// A person approves a release with a typed form; reminded after a day, expired after two.
let release = DAG("release") { dag in
    let ask = ApprovalTrigger.approval(
        "Release {{ run_id }}?", fields: [.choice("region", ["eu", "us"]), .int("percent", default: 10)])
    dag.task("ask") { context -> Plan? in
        for day in 1...2 {
            if let answer = try await context.wait(for: ask, timeout: .days(1), onTimeout: nil) {
                return answer.approved ? try answer.decode() : nil
            }
            try await context.step("remind") { context.log.warning("nobody has answered on day \(day)") }
        }
        throw NonRetryable("the release expired")
    }
}
