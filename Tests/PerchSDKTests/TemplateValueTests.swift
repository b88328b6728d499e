// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("Variables and connections in templates") struct TemplateValueTests {
    private let known: [SecretName: FoundSecret] = [
        SecretName(.variable, "region"): .variable("eu"),
        SecretName(.variable, "limits"): .variable(#"{"rows": [5, {"max": "9"}]}"#),
        SecretName(.variable, "api_key"): .variable(Variable("k3y-of-api", isSecret: true)),
        SecretName(.connection, "orders"): .connection(
            Connection(
                type: "postgres", host: "db", port: 5_432, login: "me", password: "hunter2", schema: "sales",
                extra: ["mode": "ro", "deep": ["x": 1]])),
    ]

    private func render(_ text: String, to place: RenderedPlace = .memory) throws -> String {
        try TemplateTests.scope().rendering(to: place).filled(by: { known[$0] }) { try Template.render(text, with: $0) }
    }

    @Test(
        "they are filled in as they are asked for",
        arguments: [
            ("{{ var.value.region }}/{{ ds }}", "eu/2026-03-01"), ("{{ var.value['region'] | upper }}", "EU"),
            ("{{ var.json.limits.rows[0] }}", "5"), ("{{ var.json.limits.rows[-1].max }}", "9"),
            ("{{ var.json.limits }}", #"{"rows":[5,{"max":"9"}]}"#), ("{{ var.value.none | default('x') }}", "x"),
            ("{{ var.json.region.a | default('x') }}", "x"), ("{{ var.value.api_key }}", "k3y-of-api"),
            ("{{ conn.orders.host }}:{{ conn.orders.port }}", "db:5432"), ("{{ conn['orders'].schema }}", "sales"),
            ("{{ conn.orders.login }}:{{ conn.orders.password }}", "me:hunter2"),
            ("{{ conn.orders.conn_type }} {{ conn.orders.extra.mode }}", "postgres ro"),
            ("{{ conn.orders.extra_dejson.deep.x }}", "1"), ("{{ conn.none.host | default('-') }}", "-"),
            ("{{ ds_add(ds, var.json.limits.rows[0]) }}", "2026-03-06"),
        ]) func fills(_ text: String, _ wanted: String) throws
    {
        #expect(try render(text) == wanted)
        #expect(TemplateCheck.problems(in: text) == [])
    }

    @Test(
        "what does not resolve, or cannot, is an error with its place and what would be right",
        arguments: [
            ("{{ var.value.none }}", "1:4: var.value.none does not resolve: there is no such variable"),
            ("{{ var.json.region.a }}", "holds no JSON with that member"), ("{{ conn.none.host }}", "none of that id"),
            ("{{ conn.orders.extra.none }}", "has no such part"),
        ]) func missing(_ text: String, _ words: String)
    {
        let error = #expect(throws: PerchError.self) { try render(text) }
        #expect(error?.code == .invalid && error?.message.contains(words) == true, "\(error?.message ?? "none")")
    }

    @Test(
        "names that cannot be right are found where they are declared",
        arguments: [
            ("{{ var.region }}", "there is var.value.KEY"), ("{{ var }}", "there is var.value.KEY"),
            ("{{ var.value.a.b }}", "var.value['a.b']"), ("{{ conn.orders }}", "there is conn.ID.PART"),
            ("{{ conn.orders.pasword }}", "one of host, port"), ("{{ conn.orders.host.x }}", "stands alone"),
            ("{{ var.value[0] }}", "there is var.value.KEY"),
        ]) func problems(_ text: String, _ words: String)
    {
        let found = TemplateCheck.problems(in: text)
        #expect(found.count == 1 && found.first?.contains(words) == true, "\(found)")
    }

    @Test("nothing secret is rendered into what is stored or becomes an argument, and no error repeats it")
    func refused() throws {
        #expect(try render("{{ var.value.region }}", to: .stored) == "eu")
        #expect(try render("{{ conn.orders.host }} {{ var.value.region }}", to: .argument) == "db eu")
        for (text, place) in [
            ("{{ var.value.api_key }}", RenderedPlace.stored), ("{{ var.value.api_key }}", .argument),
            ("{{ var.json.api_key.x }}", .stored), ("{{ conn.orders.host }}", .stored),
            ("{{ conn.orders.password }}", .argument), ("{{ conn.orders.extra.mode }}", .argument),
            ("{{ conn.orders.uri }}", .argument), ("{{ conn.orders.password | default('x') }}", .stored),
        ] {
            let error = #expect(throws: PerchError.self, "\(text)") { try render(text, to: place) }
            #expect(error?.code == .invalid && error?.message.contains("hunter2") == false, "\(text)")
            #expect(error?.message.contains("k3y") == false)
        }
    }

    @Test("a connection in what is waited for is found where it is declared") func declared() {
        let dag = DAG("d") { dag in
            dag.sensor("s", Named(name: "{{ conn.orders.host }}"), timeout: .hours(1))
            dag.sensor("t", Named(name: "{{ var.value.region }}"), timeout: .hours(1))
        }
        #expect(dag.problems.count == 1 && dag.problems.first?.message.contains("stored and shown") == true)
    }

    private struct Named: Trigger {
        typealias Event = String
        static let kind = "named"
        var name: String
        var target: String { name }
    }

    private final class Secretive: AttemptRuntime {
        let memory = MemoryRuntime()
        var facts: AttemptFacts { memory.facts }
        var now: Timestamp { memory.now }
        func step(
            _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
        ) async throws -> String {
            try await memory.step(name, scope: scope, keepAcrossRetries: keepAcrossRetries, body: body)
        }
        func wait(
            _ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?
        ) async throws -> WaitResult {
            try await memory.wait(name, scope: scope, for: trigger, timeout: timeout)
        }
        func log(_ level: AttemptLogLevel, _ message: String) { memory.log(level, message) }
        func randomBits() -> UInt64 { memory.randomBits() }
        func onKill(_ handler: @escaping @Sendable () async throws -> Void) { memory.onKill(handler) }
        func variable(_ key: String) async throws -> String {
            guard let value = ["region": "eu", "api_key": "k3y"][key] else {
                throw PerchError(.notFound, "no variable")
            }
            return value
        }
        func connection(_ id: String) async throws -> Connection {
            guard id == "orders" else { throw PerchError(.unavailable, "the place is away") }
            return Connection(type: "http", host: "h", password: "hunter2")
        }
    }

    @Test("code renders with what its runtime finds; what is waited for takes nothing secret") func context()
        async throws
    {
        let context = TaskContext(runtime: Secretive())
        #expect(
            try await context.render("{{ var.value.region }} {{ conn.orders.password }} {{ ds }}")
                == "eu hunter2 2026-01-01")
        #expect(try await context.render("{{ var.value.x | default('none') }}") == "none")
        #expect(try await context.renderArgument("{{ conn.orders.host }}") == "h")
        await #expect(throws: PerchError.self) { try await context.renderArgument("{{ conn.orders.password }}") }
        let away = await #expect(throws: PerchError.self) { try await context.render("{{ conn.other.host }}") }
        #expect(away?.code == .unavailable)
        await #expect(throws: Suspension.self) {
            try await context.wait(for: Named(name: "{{ var.value.region }}"))
        }
        for text in ["{{ var.value.api_key }}", "{{ conn.orders.host }}"] {
            let error = await #expect(throws: PerchError.self) { try await context.wait(for: Named(name: text)) }
            #expect(error?.code == .invalid && error?.message.contains("k3y") == false)
        }
    }
}
