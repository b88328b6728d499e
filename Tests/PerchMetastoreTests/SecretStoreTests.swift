// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Variables and connections in the metastore", .onEveryGround) struct SecretStoreTests {
    private func sealed(_ text: String, _ key: String = "k1") -> SealedValue { SealedValue(keyID: key, text: text) }

    @Test("they are stored, changed and removed; what is secret is stored sealed or not at all") func store()
        async throws
    {
        let stage = try await Stage()
        let store = stage.store
        let value = sealed("…")
        try await store.write { transaction in
            try transaction.setVariable("region", .plain("eu"), isSecret: false, description: "where")
            try transaction.setVariable("api_key", .sealed(value), isSecret: true, description: nil)
            try transaction.setConnection("orders", type: "http", value, description: "d")
        }
        let rows = try await store.read { try $0.variables() }
        #expect(rows.map(\.key) == ["api_key", "region"] && rows.map(\.isSecret) == [true, false])
        #expect(rows[0].value == .sealed(value) && rows[1].value == .plain("eu") && rows[1].description == "where")
        stage.clock.advance(.seconds(5))
        try await store.write { try $0.setVariable("region", .plain("us"), isSecret: false, description: nil) }
        let changed = try await store.read { try $0.variable("region") }
        #expect(changed?.value == .plain("us") && changed?.description == "where")
        #expect(changed?.updatedAt == stage.clock.now)
        let connection = try await store.read { try $0.connection("orders") }
        #expect(connection?.type == "http" && connection?.value == value && connection?.description == "d")
        #expect(try await store.read { try $0.stored(SecretName(.connection, "orders")) } == .sealed(value))
        #expect(try await store.read { try $0.stored(SecretName(.variable, "region")) } == .plain("us"))
        #expect(try await store.read { try $0.stored(SecretName(.secret, "region")) } == nil)
        #expect(try await store.write { try $0.deleteVariable("region") })
        #expect(try await !store.write { try $0.deleteVariable("region") })
        #expect(try await store.write { try $0.deleteConnection("orders") })
        #expect(try await !store.write { try $0.deleteConnection("orders") })
        await #expect(throws: PerchError.self) {
            try await store.write { try $0.setVariable("p", .plain("x"), isSecret: true, description: nil) }
        }
        for bad in ["", "a b", "a/b", String(repeating: "x", count: 251)] {
            await #expect(throws: PerchError.self) {
                try await store.write { try $0.setVariable(bad, .plain("x"), isSecret: false, description: nil) }
            }
            await #expect(throws: PerchError.self) {
                try await store.write { try $0.setConnection(bad, type: "a", value, description: nil) }
            }
        }
        #expect(try await stage.faults() == [])
    }

    @Test("what other keys open is found page by page, and is put under the new one only as it was read") func reseal()
        async throws
    {
        let stage = try await Stage()
        try await stage.store.write { transaction in
            for index in 0..<5 {
                let value = SealedValue(keyID: index == 2 ? "k2" : "k1", text: "t\(index)")
                try transaction.setConnection("c\(index)", type: "a", value, description: nil)
                try transaction.setVariable("v\(index)", .sealed(value), isSecret: true, description: nil)
            }
            try transaction.setVariable("plain", .plain("x"), isSecret: false, description: nil)
        }
        var last: SecretName?
        var pages: [[String]] = []
        while true {
            let from = last
            let page = try await stage.store.read { try $0.sealedOtherwise(than: "k2", after: from, limit: 3) }
            if page.isEmpty { break }
            pages.append(page.map { "\($0.name.kind) \($0.name.name)" })
            last = page.last?.name
        }
        #expect(
            pages == [
                ["connection c0", "connection c1", "connection c3"], ["connection c4", "variable v0", "variable v1"],
                ["variable v3", "variable v4"],
            ])
        let name = SecretName(.variable, "v0")
        let (old, new, other) = (sealed("t0"), sealed("n0", "k2"), sealed("other"))
        #expect(try await !stage.store.write { try $0.reseal(name, from: other, to: new) })
        #expect(try await stage.store.write { try $0.reseal(name, from: old, to: new) })
        #expect(try await !stage.store.write { try $0.reseal(name, from: old, to: new) })
        #expect(try await stage.store.read { try $0.variable("v0") }?.value == .sealed(new))
    }

    @Test("a sensor sees variables as the transaction that registers it does; a secret one fails it without its value")
    func sensors() async throws {
        let stage = try await Stage()
        let value = sealed("hunter2")
        try await stage.store.write { transaction in
            try transaction.setVariable("folder", .plain("/in"), isSecret: false, description: nil)
            try transaction.setVariable("api_key", .sealed(value), isSecret: true, description: nil)
        }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .sensor("plain", .file("{{ var.value.folder }}/{{ ds }}")),
                    .sensor("secret", .file("/{{ var.value.api_key }}")),
                    .sensor("missing", .file("/{{ var.value.none }}")),
                    .sensor("connection", .file("/{{ conn.orders.host }}")),
                    .sensor("other", .file("/{{ var.value.none | default('x') }}")),
                ]))
        let run = try await stage.trigger("d")
        #expect(
            try await stage.states(run) == [
                "plain": .deferred, "secret": .failed, "missing": .failed, "connection": .failed, "other": .deferred,
            ])
        #expect(Set(try await stage.waits().map(\.target)) == ["/in/2026-01-01", "/x"])
        let rows = try await stage.store.read { try $0.taskInstances(runKey: run.runKey) }
        let messages = rows.map { $0.message ?? "" }
        #expect(messages[1].contains("the variable 'api_key' is secret") && !messages[1].contains("hunter2"))
        #expect(messages[2].contains("there is no such variable") && messages[3].contains("stored and shown"))
        #expect(try await stage.faults() == [])
    }
}
