// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("What people may see of a filled in template") struct ShownTemplateTests {
    private let known: [SecretName: FoundSecret] = [
        SecretName(.variable, "region"): .variable("eu"),
        SecretName(.variable, "api_key"): .variable(Variable(#"{"k3y": [1]}"#, isSecret: true)),
        SecretName(.connection, "orders"): .connection(
            Connection(type: "postgres", host: "db", port: 5_432, login: "me", password: "hunter2")),
    ]

    @Test(
        "stars stand in place of what is secret, and of all that is a connection's",
        arguments: [
            ("{{ ds }} {{ var.value.region }}", "2026-03-01 eu"),
            ("{{ conn.orders.host }}:{{ conn.orders.port }}", "***:***"),
            ("{{ conn.orders.password | upper }}!", "***!"), ("{{ var.value.api_key }}", "***"),
            ("{{ var.json.api_key.k3y[0] }}", "***"), ("{{ var.value.none | default('x') }}", "x"),
            ("{{ conn.orders.port + 1 }} and {{ ds }}", "***"), ("{{ 'a' if conn.orders.host == 'db' else 'b' }}", "b"),
            ("{{ conn.orders.schema | default('-') }}", "-"),
        ]) func shown(_ text: String, _ wanted: String) throws
    {
        let scope = try TemplateTests.scope()
        var last = scope
        let result = try scope.filled(by: { known[$0] }) { scope in
            last = scope
            return try Template.render(text, with: scope)
        }
        #expect(last.shown(text, rendered: result) == wanted)
    }
}
