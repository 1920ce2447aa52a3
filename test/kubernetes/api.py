"""Sends requests to an API server: JSON lines {method, path, body?, type?} come in, {status, body} go out.

api.py SERVER-HOST PORT CA-FILE TOKEN
"""
import http.client, json, ssl, sys

host, port, ca, token = sys.argv[1:]
connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=ca), timeout=30)
for line in sys.stdin:
    request = json.loads(line)
    headers = {'Authorization': 'Bearer ' + token, 'Content-Type': request.get('type', 'application/json')}
    body = request.get('body')
    connection.request(request['method'], request['path'], None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read().decode()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = text
    print(json.dumps({'status': response.status, 'body': answer}), flush=True)
