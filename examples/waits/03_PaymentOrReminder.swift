// SPDX-License-Identifier: Apache-2.0

import Perch

/// An order is shipped when its payment comes, and cancelled when none has come in three days.
let paymentOrReminder = DAG("payment", params: ["order": "17"]) { dag in
    dag.task("await_payment") { context in
        let paid = try await context.wait(
            for: .event("payment.received", key: "{{ params.order }}"), timeout: .days(3), onTimeout: nil)
        return paid == nil ? "cancelled" : "shipped"
    }
}
