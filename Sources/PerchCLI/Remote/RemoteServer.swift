// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchOperators
internal import PerchSDK
internal import Synchronization

/// A server that runs commands: what `--url` and `PERCH_URL` name.
struct RemoteServer: Equatable {
    /// Without a slash at its end.
    var url: String
    var token: String?
    /// A file of certificates that are trusted instead of the machine's.
    var ca: String?
    /// Whether `--url` names it, and not the environment.
    var isNamed: Bool
    /// The command line without what names the server.
    var arguments: [String]

    /// The server that a command line, else the environment, names; nil: there is none.
    ///
    /// - Throws: `PerchError` (`invalid`, `notFound`) for what is no URL, or a token file that is not there.
    init?(_ arguments: [String], environment: [String: String]) throws {
        var left: [String] = []
        var given: [String: String] = [:]
        var position = 0
        while position < arguments.count {
            let argument = arguments[position]
            position += 1
            // What follows is no option any more.
            if argument == "--" {
                left += arguments[(position - 1)...]
                break
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard Self.options.contains(parts[0]) else {
                left.append(argument)
                continue
            }
            let value: String
            if parts.count == 2 {
                value = parts[1]
            } else {
                guard position < arguments.count else { throw PerchError(.invalid, "\(argument) needs a value") }
                value = arguments[position]
                position += 1
            }
            given[parts[0]] = value
        }
        func set(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        // A home that is named goes before a server that the environment names.
        let namesHome = left.contains { ["--home", "--metastore"].contains($0.prefix { $0 != "=" }) }
        guard let url = given["--url"] ?? (namesHome ? nil : set("PERCH_URL")) else {
            guard let option = given.keys.sorted().first else { return nil }
            throw PerchError(.invalid, "\(option) says more of a server, and there is no --url")
        }
        guard !namesHome else {
            throw PerchError(.invalid, "--url names a server, which has its home: leave --home and --metastore out")
        }
        self.url = try Self.checked(url)
        isNamed = given["--url"] != nil
        self.arguments = left
        ca = given["--ca"] ?? set("PERCH_CA")
        token = try given["--token-file"].map { try Self.token(in: $0) } ?? set("PERCH_TOKEN")
    }

    /// A token is no option: everybody on this machine can read a command line.
    private static let options: Set<String> = ["--url", "--token-file", "--ca"]

    private static func checked(_ url: String) throws -> String {
        let lower = url.lowercased()
        guard lower.hasPrefix("http://") || lower.hasPrefix("https://"), !url.contains("@"), !url.contains("?"),
            !url.contains("#"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else {
            throw PerchError(
                .invalid,
                "--url is the address of a server, such as https://perch.example.org:8793, without a name or password in it"
            )
        }
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    private static func token(in path: String) throws -> String {
        guard let text = try TextFile.readIfPresent(path) else {
            throw PerchError(.notFound, "--token-file: there is no file \(path)")
        }
        // As in the server's own file: a word, and behind it may stand what it lets do.
        let words = text.split(whereSeparator: \.isNewline).first?.split(separator: " ") ?? []
        guard let token = words.first else { throw PerchError(.invalid, "--token-file: \(path) is empty") }
        return String(token)
    }

    /// Has the server run the command; prints what it printed, and gives its exit code.
    func run() async throws -> Int32 {
        if arguments.starts(with: ["deferred", "watch"]), !arguments.contains("--frames") {
            return try await RemoteWatch(server: self).run()
        }
        var input: String?
        if ["users create", "users set-password"].contains(arguments.prefix(2).joined(separator: " ")) {
            // It is asked for where somebody sits.
            input = try NewPassword.read(for: arguments.dropFirst(2).first ?? "") + "\n"
        } else if readsInput {
            input = StandardInput.text()
        }
        return try await run(arguments, input: input) { piece in
            switch piece {
            case .output(let text):
                try Console.shared.raw(text.utf8)
                try Console.shared.flush()
            case .errors(let text): for line in text.split(separator: "\n") { Console.shared.say(String(line)) }
            }
        }
    }

    /// Has the server run a command, and gives its exit code.
    /// - Parameter take: Gets what the command says as it comes, on another thread.
    func run(
        _ arguments: [String], input: String? = nil, take: @escaping @Sendable (RemoteAnswer.Piece) throws -> Void
    ) async throws -> Int32 {
        var body: [String: JSONValue] = ["arguments": .array(arguments.map { .string($0) })]
        if let input { body["input"] = .string(input) }
        var headers = ["Content-Type": "application/json", "Accept": "application/json"]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        let request = HTTPOperator(
            url + "/api/v2/commands", method: "POST", headers: headers, body: JSONValue.object(body).text,
            timeout: Self.longest, maximumBodySize: .max)
        // It goes nowhere else with the token.
        let exchange = HTTPExchange(request, name: url, followsRedirects: false, ca: ca, silence: Self.silence)
        let answer = Mutex(RemoteAnswer())
        let response: HTTPResponse
        do {
            response = try await exchange.run { bytes in
                for piece in answer.withLock({ $0.take(bytes) }) { try take(piece) }
            }
        } catch let error as PerchError where answer.withLock({ $0.hasBegun }) {
            throw PerchError(.unavailable, "\(error.message): \(Self.cut)")
        }
        for piece in answer.withLock({ $0.finish() }) { try take(piece) }
        switch answer.withLock({ $0.end }) {
        case .exited(let code): return Int32(truncatingIfNeeded: code)
        case .failed(let why): throw PerchError(.unavailable, "\(url): \(why)")
        case nil: throw fault(response.status, answer.withLock { $0.other })
        }
    }

    /// A command that follows something goes on for as long as somebody looks on; its server gives signs of life meanwhile.
    private static let longest = Duration.seconds(366 * 86_400)
    private static let silence = Duration.seconds(90)
    private static let cut = "the connection ended before the command had; what it did, it has done"

    /// Whether it was told to read its standard input.
    private var readsInput: Bool {
        arguments.contains("-") || arguments.contains("--stdin")
    }

    /// What an answer says that is none of a command.
    private func fault(_ status: Int, _ text: [UInt8]) -> PerchError {
        if status == 200, text.isEmpty {
            return PerchError(.unavailable, "\(url): \(Self.cut)")
        }
        let answer: JSONValue
        do {
            answer = try JSONValue(parsing: String(decoding: text, as: UTF8.self))
        } catch {
            return PerchError(.unavailable, "\(url) answered with status \(status), and no JSON: is it a Perch?")
        }
        var words = "status \(status)"
        for name in ["detail", "error", "title"] {
            if case .string(let text) = answer[name] {
                words = text
                break
            }
        }
        let hint = status == 401 && token == nil ? "; name a file with one by --token-file, or set PERCH_TOKEN" : ""
        return PerchError(status == 401 || status == 403 ? .invalid : .unavailable, "\(url): \(words)\(hint)")
    }
}
