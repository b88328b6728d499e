// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import ProgramTestSupport

/// A server of rows on the loopback, in a process of its own: it gives prepared bodies, and keeps what is posted to it.
///
/// A path with `limit=N` refuses the request after N that were taken there.
final class RowServerProcess {
    let port: Int
    private let folder: String
    private let process = Process()

    /// - Parameter answers: By path and query: the body, and the header `Link`.
    init(_ answers: [String: (body: String, link: String?)] = [:]) throws {
        folder = NSTemporaryDirectory() + "perch-rows-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let prepared = JSONValue.object(
            answers.mapValues { .array([.string($0.body), $0.link.map { .string($0) } ?? .null]) })
        try Data(prepared.text.utf8).write(to: URL(filePath: folder + "/answers"))
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.program, folder]
        process.standardOutput = output
        try process.run()
        var text = ""
        while !text.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw RunningEngineError(description: "the server of rows does not start") }
            text += String(decoding: data, as: UTF8.self)
        }
        guard let port = Int(text.trimmingCharacters(in: .newlines)) else {
            throw RunningEngineError(description: "the server of rows says \(text)")
        }
        self.port = port
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: folder)  // because what is left in /tmp fails no test
    }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// What was posted: `path`, `headers` with names in lower case, `body`.
    func posts() throws -> [JSONValue] {
        guard FileManager.default.fileExists(atPath: folder + "/posts") else { return [] }
        return try String(contentsOfFile: folder + "/posts", encoding: .utf8)
            .split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    }

    private static let program = """
        import http.server, json, sys, urllib.parse
        folder = sys.argv[1]
        answers = json.load(open(folder + "/answers"))
        taken = {}
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass
            def answer(self, status, body, link=None):
                body = body.encode()
                self.send_response(status)
                if link:
                    self.send_header("Link", link)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self):
                if self.path in answers:
                    self.answer(200, *answers[self.path])
                else:
                    self.answer(404, "no rows at " + self.path)
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                limit = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query).get("limit")
                taken[self.path] = taken.get(self.path, 0) + 1
                if limit and taken[self.path] > int(limit[0]):
                    return self.answer(503, "enough")
                with open(folder + "/posts", "a") as posts:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    posts.write(json.dumps({"path": self.path, "headers": headers, "body": body}) + "\\n")
                self.answer(200, "ok")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """
}
