// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

extension APIBench {
    /// Another server on the same metastore, as another machine would have one.
    func another(_ change: (inout APIServer.Configuration) -> Void = { _ in }) async throws -> (APIServer, port: Int) {
        var configuration = try APIServer.Configuration(
            address: try ListenAddress(parsing: "127.0.0.1:0"), credentials: try Credentials(), mayBeOpen: false)
        change(&configuration)
        let kept = log
        let server = APIServer(
            configuration, metastore: metastore, log: Logger(label: "other", factory: { _ in kept }))
        let port = try await server.start().port
        await server.open()
        return (server, port)
    }
}

@Suite("Servers behind something that shares requests out", .timeLimit(.minutes(1)))
struct ProxyTests {
    private func sender(_ trusted: String, _ peer: String, _ forwarded: String...) throws -> String {
        var fields = HTTPFields()
        for value in forwarded { fields.append(HTTPField(name: .forwardedFor, value: value)) }
        return try TrustedProxies(parsing: trusted).sender(on: peer, fields)
    }

    @Test("who sends is the last whom a trusted proxy names; nobody else is believed")
    func senders() throws {
        #expect(try sender("127.0.0.1", "127.0.0.1", "203.0.113.9") == "203.0.113.9")
        #expect(try sender("127.0.0.1", "192.0.2.1", "203.0.113.9") == "192.0.2.1")
        // What stands before the last one is what he claims himself.
        #expect(try sender("127.0.0.1", "127.0.0.1", "198.51.100.1, 203.0.113.9") == "203.0.113.9")
        #expect(try sender("127.0.0.1, 10.0.0.0/8", "127.0.0.1", "203.0.113.9, 10.1.2.3") == "203.0.113.9")
        #expect(try sender("127.0.0.1,10.0.0.0/8", "127.0.0.1", "203.0.113.9", "10.1.2.3") == "203.0.113.9")
        #expect(try sender("10.0.0.0/8", "10.1.2.3", "10.200.0.1") == "10.200.0.1")
        #expect(try sender("10.0.0.0/9", "10.1.2.3", "10.200.0.1, 10.3.3.3") == "10.200.0.1")
        #expect(try sender("fd00::/8", "fd00::1", "2001:db8::7") == "2001:db8::7")
        #expect(try sender("127.0.0.1", "::ffff:127.0.0.1", "203.0.113.9") == "203.0.113.9")
        #expect(try sender("0.0.0.0/0", "1.2.3.4", "5.6.7.8") == "5.6.7.8")
        for nonsense in ["unknown", "", ", ,", "evil\u{1F426}", "1.2.3.4.5", "[::1]:80", "203.0.113.9 junk"] {
            #expect(try sender("127.0.0.1", "127.0.0.1", nonsense) == "127.0.0.1", "\(nonsense)")
            #expect(try sender("127.0.0.1", "127.0.0.1", "\(nonsense), 203.0.113.9") == "203.0.113.9")
        }
        let many = (0..<10_000).map { _ in "127.0.0.1" }.joined(separator: ",")
        #expect(try sender("127.0.0.1", "127.0.0.1", "203.0.113.9," + many) == "127.0.0.1")
        #expect(TrustedProxies().sender(on: "127.0.0.1", [.forwardedFor: "203.0.113.9"]) == "127.0.0.1")
    }

    @Test(
        "what is no address and no network is named, and what would be right",
        arguments: ["", "localhost", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "1.2.3.4/8/8", "a,1.2.3.4"])
    func refused(text: String) throws {
        let error = #expect(throws: PerchError.self) { try TrustedProxies(parsing: text) }
        #expect(error?.code == .invalid && error?.message.contains("10.0.0.0/8") == true, "\(error?.message ?? "")")
    }

    @Test("log-ins that fail count for the address that the proxy names, on every server, and are recorded of it")
    func limits() async throws {
        let api = try await APIBench()
        try await api.makeUser("anna", "correct horse", .viewer)
        let proxies = try TrustedProxies(parsing: "127.0.0.1")
        let (first, firstPort) = try await api.another { $0.proxies = proxies }
        let (second, secondPort) = try await api.another { $0.proxies = proxies }
        func logIn(_ port: Int, _ name: String, _ password: String, from address: String) async throws
            -> WebClient.Answer
        {
            let page = try #require(try await WebClient(port: port).request("GET /login"))
            let cookie = page.fields["set-cookie"]?.split(separator: ";").first.map(String.init) ?? ""
            let csrf = String(cookie.split(separator: "=", maxSplits: 1).last ?? "")
            let fields = [
                "Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "X-Forwarded-For": address,
            ]
            let form = "name=\(name)&password=\(password.replacing(" ", with: "+"))&csrf=\(csrf)"
            return try #require(try await WebClient(port: port).request("POST /login", fields, form))
        }
        for number in 0..<20 { try await api.makeUser("n\(number)", "correct horse", .viewer) }
        for number in 0..<20 {
            let port = number % 2 == 0 ? firstPort : secondPort
            #expect(try await logIn(port, "n\(number)", "guess", from: "203.0.113.9").status == 401)
        }
        // Ten at each: neither of them would slow him down by what it has seen itself.
        for port in [firstPort, secondPort] {
            #expect(try await logIn(port, "other", "guess", from: "203.0.113.9").status == 429)
        }
        let letIn = try await logIn(firstPort, "anna", "correct horse", from: "203.0.113.10")
        #expect(letIn.status == 303, "\(letIn)")
        let log = try await api.metastore.read { try $0.auditLog(limit: 100) }
        #expect(log.filter { $0.entry.action == "login_failed" }.count == 20)
        #expect(log.allSatisfy { $0.entry.action != "login_failed" || $0.entry.details["address"] == "203.0.113.9" })
        #expect(log.first { $0.entry.action == "login" }?.entry.details["address"] == "203.0.113.10")
        // A name is slowed down everywhere, too, until somebody knows the password.
        for number in 0..<5 {
            let port = number % 2 == 0 ? firstPort : secondPort
            #expect(try await logIn(port, "anna", "guess", from: "198.51.100.\(number)").status == 401)
        }
        #expect(try await logIn(secondPort, "anna", "correct horse", from: "198.51.100.9").status == 429)
        api.clock.now = api.clock.now + .seconds(2)
        #expect(try await logIn(secondPort, "anna", "correct horse", from: "198.51.100.9").status == 303)
        #expect(try await logIn(firstPort, "anna", "guess", from: "198.51.100.10").status != 303)
        for server in [first, second] { await server.stop() }
        try await api.end()
    }

    @Test("who logs in at one server is known at the other with the next request; so is a token, and who logs out goes")
    func sessions() async throws {
        let api = try await APIBench()
        try await api.makeUser("anna", "correct horse", .viewer)
        let (other, port) = try await api.another()
        func ask(_ fields: [String: String]) async throws -> Int {
            try #require(try await WebClient(port: port).request("GET /api/v2/dags", fields)).status
        }
        // It has looked just now, and takes what it has seen for true for two seconds.
        #expect(try await ask(["Cookie": "perch_session=guess"]) == 401)
        let cookie = try #require(try await api.logIn("anna", "correct horse").cookie)
        #expect(try await ask(["Cookie": cookie]) == 200)
        let token = try await api.makeToken("ci", AccessRights(.viewer))
        #expect(try await ask(["Authorization": "Bearer \(token)"]) == 200)
        #expect(try await ask(["Authorization": "Bearer \(token)x"]) == 401)
        let csrf = try await api.csrf()
        let out = try await api.send(
            "POST /logout", ["Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie], "csrf=\(csrf)")
        #expect(out.status == 303)
        api.passTime()
        #expect(try await ask(["Cookie": cookie]) == 401)
        await other.stop()
        try await api.end()
    }

    @Test("who drains says so at once, and serves on: a connection ends with its next answer")
    func drains() async throws {
        let api = try await APIBench()
        let credentials = try Credentials(tokens: ["secret viewer"])
        let (server, port) = try await api.another { $0.credentials = credentials }
        let fields = ["Authorization": "Bearer secret"]
        let client = try WebClient(port: port)
        #expect(await client.request("GET /ready")?.status == 200)
        async let drained: Void = server.drain(for: .seconds(1))
        var ready: WebClient.Answer?
        for _ in 0..<100 where ready?.status != 503 { ready = try await WebClient(port: port).request("GET /ready") }
        #expect(ready?.status == 503 && ready?.body.contains("draining") == true, "\(String(describing: ready))")
        let answer = await client.request("GET /api/v2/dags", fields)
        #expect(answer?.status == 200 && answer?.fields["connection"] == "close", "\(String(describing: answer))")
        #expect(await client.isEnded())
        // Who does not know yet is served as well.
        #expect(try await WebClient(port: port).request("GET /api/v2/dags", fields)?.status == 200)
        await drained
        await server.stop()
        #expect(throws: RunningEngineError.self) { try WebClient(port: port) }
        try await api.end()
    }
}
