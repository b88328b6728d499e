// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@Suite("Secrets: masking, references, names") struct SecretTests {
    @Test("what must not be shown is replaced wherever it stands, the longest first") func mask() {
        let mask = SecretMask()
        #expect(mask.hidesNothing && mask.masked("hunter2") == "hunter2")
        mask.add(["hunter2", "hunter2-and-more", "abc", "", "Zürich!"])
        #expect(!mask.hidesNothing)
        #expect(mask.masked("a hunter2-and-more b hunter2 hunter") == "a *** b *** hunter")
        #expect(mask.masked("hunter2hunter2") == "******")
        #expect(
            mask.masked("abc stays, it is short; Zürich! goes: Zürich") == "abc stays, it is short; *** goes: Zürich")
        #expect(mask.masked("") == "")
    }

    @Test("what an address or JSON makes of a secret is hidden, too, and so is each longer line of one") func shapes() {
        let mask = SecretMask()
        mask.add(["p@ss/w\"ord", "-----BEGIN-----\nline of the key\nend\n"])
        #expect(mask.masked("p%40ss%2Fw%22ord p@ss/w\\\"ord p@ss/w\"ord") == "*** *** ***")
        #expect(mask.masked("it is: line of the key") == "it is: ***")
        #expect(mask.masked("the end") == "the end")
    }

    @Test("of an environment what is secret by its name is hidden") func environment() {
        let mask = SecretMask()
        mask.add(environment: [
            "PERCH_SECRET_A": "secret-a", "PERCH_VAR_REGION": "region-eu", "PERCH_VAR_API_KEY": "key-of-api",
            "PERCH_CONN_DB": "postgres://me:pass-word@host/db?opt=extra-text", "PERCH_CONN_BAD": "no-connection",
            "HOME": "/home/me",
        ])
        let text = "secret-a region-eu key-of-api pass-word extra-text no-connection /home/me host"
        #expect(mask.masked(text) == "*** region-eu *** *** *** *** /home/me host")
    }

    @Test("masking never loses or invents anything but what is hidden", arguments: 0..<50) func random(_ seed: Int) {
        var generator = Seeded(UInt64(seed))
        func word(_ length: Int) -> String {
            String((0..<length).map { _ in ["a", "b", "ä"].randomElement(using: &generator) ?? "a" })
        }
        let secrets = (0..<5).map { _ in word(Int.random(in: 4...6, using: &generator)) }
        let mask = SecretMask()
        mask.add(secrets)
        let text = word(60)
        let masked = mask.masked(text)
        for secret in secrets { #expect(!masked.contains(secret)) }
        #expect(secrets.contains(where: text.contains) || masked == text)
    }

    @Test(
        "names that say that they are secret",
        arguments: [
            ("password", true), ("SMTP-Passwd", true), ("orders_api_key", true), ("API_TOKEN", true), ("Secret", true),
            ("region", false), ("pass", false), ("keys", false), ("", false),
        ]) func sensitive(_ name: String, _ isSecret: Bool)
    {
        #expect(SensitiveName.holds(name) == isSecret)
    }

    @Test("a reference names a secret, a variable or a part of a connection") func references() throws {
        let connection = FoundSecret.connection(
            Connection(
                type: "http", host: "h", port: 81, login: "me", password: "pass", schema: "s",
                extra: ["a.b": "x", "n": 5]))
        for (text, wanted) in [
            ("conn:orders.password", "pass"), ("conn:a.b.login", "me"), ("conn:orders.port", "81"),
            ("conn:orders.extra.a.b", "x"), ("conn:orders.extra.n", "5"), ("conn:orders.basic", "bWU6cGFzcw=="),
            ("conn:orders.conn_type", "http"), ("conn:orders.host", "h"), ("conn:orders.schema", "s"),
        ] {
            let reference = try SecretReference(parsing: text)
            #expect(reference.name.kind == .connection && reference.text(in: connection) == wanted, "\(text)")
        }
        #expect(try SecretReference(parsing: "conn:a.b.login").name == SecretName(.connection, "a.b"))
        #expect(try SecretReference(parsing: "conn:a.extra.none").text(in: connection) == nil)
        #expect(try SecretReference(parsing: "var:a.b").name == SecretName(.variable, "a.b"))
        #expect(try SecretReference(parsing: "TOKEN_1").name == SecretName(.secret, "TOKEN_1"))
        for wrong in ["", "a b", "conn:orders", "conn:.password", "conn:orders.", "var:", "var:a/b", "conn:a b.host"] {
            #expect(SecretReference.problem(wrong) != nil, "\(wrong)")
        }
    }

    @Test("every reference in a trigger's definition is found, however deep") func allReferences() {
        let found = SecretReference.all(in: [
            "headers": ["A": ["secret": "conn:a.password", "prefix": "x"], "B": "plain", "C": ["secret": "T"]],
            "leaves": [["password": ["secret": "var:p"]], ["secret": "not valid"]],
        ])
        #expect(
            Set(found.map(\.name)) == [
                SecretName(.connection, "a"), SecretName(.secret, "T"), SecretName(.variable, "p"),
            ])
    }

    @Test("references are looked up in an environment, too") func environmentSecrets() {
        let secrets = EnvironmentSecrets { name in
            ["PERCH_SECRET_A": "a", "PERCH_CONN_DB": "http://me:pw@h", "PERCH_VAR_K": "v", "PERCH_CONN_BAD": "x"][name]
        }
        #expect(secrets.secret("A") == "a" && secrets.secret("conn:db.password") == "pw")
        #expect(secrets.secret("var:k") == "v" && secrets.secret("B") == nil && secrets.secret("conn:bad.host") == nil)
        #expect(secrets.place(of: "conn:db.password") == "the environment variable PERCH_CONN_DB")
    }

    @Test("nothing secret stands in a description") func descriptions() {
        #expect("\(Variable("v", isSecret: true)) \(Variable("w"))" == "*** w")
        #expect(String(reflecting: Variable("v", isSecret: true)) == "***")
    }
}
