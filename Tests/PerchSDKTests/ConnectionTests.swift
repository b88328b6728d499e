// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("Connections") struct ConnectionTests {
    @Test("an address is read into its parts and written again") func address() throws {
        let read = try Connection(
            parsing: "postgres://perch:p%40ss%2Fword@db.example:5433/orders?sslmode=require&note=a%20b\n")
        #expect(
            read
                == Connection(
                    type: "postgres", host: "db.example", port: 5_433, login: "perch", password: "p@ss/word",
                    schema: "orders", extra: ["sslmode": "require", "note": "a b"]))
        #expect(try Connection(parsing: read.uri) == read)
        #expect(read.description == "postgres://perch:***@db.example:5433/orders?note=***&sslmode=***")
        #expect("\(String(reflecting: read))" == read.description)
    }

    @Test(
        "every connection is the same after it was written, as an address and as JSON",
        arguments: [
            Connection(type: "http"), Connection(type: "google_cloud_platform", host: "x"),
            Connection(type: "sqlite", host: "/data/orders.db"), Connection(type: "postgres", host: "::1", port: 5_432),
            Connection(type: "smtp", login: "ä:@/?#[]%", password: "", schema: "a/b?c&d=e"),
            Connection(type: "a", password: "only"), Connection(type: "a", schema: "only"),
            Connection(type: "a", extra: ["n": 1, "o": ["p": "q"], "e": ""]), Connection(type: "a", extra: ["e": ""]),
            Connection(type: "a", extra: ["__extra__": "x"]),
        ])
    func roundTrip(_ connection: Connection) throws {
        #expect(try Connection(parsing: connection.uri) == connection, "\(connection.uri)")
        #expect(try Connection(parsing: connection.json.text) == connection)
    }

    @Test(
        "what is no connection is refused, and its words are not repeated",
        arguments: [
            ("", "is an address such as"), ("hunter2", "is an address such as"), ("1a://hunter2", "the type before"),
            ("://hunter2", "the type before"), ("a://b:hunter2@c:port", "no port from 1 to 65535"),
            ("a://u:hunter2@h:0", "no port"), ("a://u:hunter2@h:65536", "no port"),
            ("a://u:hunter2%@h", "the password holds a '%'"), ("a://u:hunter2%ff@h", "the password is not UTF-8"),
            ("a://u:hunter2%00@h", "the password is not UTF-8"), ("a://[::1", "no ']' follows"),
            ("a://h?__extra__=hunter2", "is a JSON object"), ("{\"hunter2\"", "is no JSON object"),
            ("{}", "has a 'conn_type'"),
            ("{\"conn_type\": \"a\", \"pasword\": \"hunter2\"}", "did you mean 'password'?"),
            ("{\"conn_type\": \"a\", \"password\": [\"hunter2\"]}", "'password' of a connection is a string"),
            ("{\"conn_type\": \"a\", \"port\": \"hunter2\"}", "'port' of a connection is a number"),
            ("{\"conn_type\": \"a\", \"extra\": \"hunter2\"}", "'extra' of a connection is an object"),
        ])
    func wrong(_ text: String, _ words: String) {
        let error = #expect(throws: PerchError.self) { try Connection(parsing: text) }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test("its secrets are the password and every text of extra, the longest first") func secrets() {
        let connection = Connection(
            type: "a", host: "h", login: "l", password: "pass",
            extra: ["t": "token-1", "n": 1, "d": ["x": ["deep", ""]]])
        #expect(connection.secrets == ["token-1", "pass", "deep"])
    }

    @Test("an environment gives connections and variables by their names in capitals") func environment() throws {
        let environment = EnvironmentConnections { name in
            ["PERCH_CONN_ORDERS": "sqlite:///x", "PERCH_CONN_BAD": "hunter2", "PERCH_VAR_REGION": "eu"][name]
        }
        #expect(try environment.connection("orders") == Connection(type: "sqlite", schema: "x"))
        #expect(try environment.connection("other") == nil)
        #expect(environment.variable("Region") == "eu" && environment.variable("x") == nil)
        let error = #expect(throws: PerchError.self) { try environment.connection("bad") }
        #expect(error?.message.hasPrefix("the environment variable PERCH_CONN_BAD: ") == true)
    }
}
