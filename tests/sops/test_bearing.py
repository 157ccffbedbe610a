# SPDX-License-Identifier: Apache-2.0
"""Ordinary files stay silent, secret-bearing ones do not; both panels by path, as in a repository."""

import base64
import json
import random
import time

import pytest

from scanner.sops.bearing import may_bear, secret_bearing, secret_generator_sources

# Built at run time, so that nothing in this file looks like a secret.
REAL = "hunter2-" + "Sup3r-Secret"
_RANDOM = random.Random(3)


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def noise(length):
    return _RANDOM.randbytes(length)


ENCODED = b64(REAL)
CIPHERTEXT = f"ENC[AES256_GCM,data:{b64(noise(9))},iv:{b64(noise(32))},tag:{b64(noise(16))},type:str]"
VAULT = "\n".join(("$ANSIBLE_VAULT;1.1;AES256", *(noise(20).hex().encode().hex() for _ in range(8)))) + "\n"
DOTENVX = "encrypted:" + b64(noise(110))
DOCKER_AUTH = json.dumps({"auths": {"r.example.org": {"auth": b64(f"u:{REAL}")}}})

BEARING = {
    # Kubernetes
    "k/plain.yaml": f"apiVersion: v1\nkind: Secret\nstringData:\n  p: {REAL}\n",
    "k/data.yaml": f"kind: Secret\ndata:\n  p: {ENCODED}\n",
    "k/folded.yaml": f"kind: Secret\ndata:\n  p: >-\n    {ENCODED[:12]}\n    {ENCODED[12:]}\n",
    "k/binary.yaml": f"kind: Secret\ndata:\n  keystore.jks: {b64(noise(64))}\n",
    "k/not-base64.yaml": f"kind: Secret\ndata:\n  p: {REAL}\n",
    "k/quoted.yaml": f"'kind' :   \"Secret\"\n'stringData':\n  'p': '{REAL}'\n",
    "k/comment.yaml": f"kind: Secret # of course\nstringData:\n  p: {REAL}\n",
    "k/anchor.yaml": f"kind: &k Secret\nstringData:\n  p: &p {REAL}\n",
    "k/alias.yaml": f"x: &s Secret\nkind: *s\nstringData: {{p: {REAL}}}\n",
    "k/merge.yaml": f"x: &b {{kind: Secret}}\ny:\n  <<: *b\n  stringData: {{p: {REAL}}}\n",
    "k/alias-data.yaml": f"x: &d {{p: {REAL}}}\nkind: Secret\nstringData: *d\n",
    "k/tagged.yaml": f"kind: !!str Secret\ndata: !!map {{p: !!binary {ENCODED}}}\n",
    "k/escaped.yaml": f'"k\\x69nd": "Sec\\x72et"\nstringData: {{p: {REAL}}}\n',
    "k/continued.yaml": f'kind: "Sec\\\n  ret"\nstringData: {{p: {REAL}}}\n',
    "k/complex-key.yaml": f"? kind\n: Secret\n? stringData\n: {{p: {REAL}}}\n",
    "k/first-kind.yaml": f"kind: Secret\nkind: ConfigMap\nstringData: {{p: {REAL}}}\n",
    "k/last-kind.yaml": f"kind: ConfigMap\nkind: Secret\nstringData: {{p: {REAL}}}\n",
    "k/flow.yaml": f"{{kind: Secret, stringData: {{p: {REAL}}}}}\n",
    "k/second.yaml": f"kind: ConfigMap\n---\nkind: Secret\ndata: {{p: {ENCODED}}}\n",
    "k/behind-a-broken-one.yaml": f"a: [\n---\nkind: Secret\ndata:\n  p: {ENCODED}\n",
    "k/list.yaml": f"kind: List\nitems:\n- kind: Secret\n  stringData: {{p: {REAL}}}\n",
    "k/secretlist.json": json.dumps({"kind": "SecretList", "items": [{"data": {"p": ENCODED}}]}),
    "k/tabs.json": json.dumps({"kind": "Secret", "stringData": {"p": REAL}}, indent="\t"),
    "k/surrogates.json": json.dumps({"x": "🐍", "kind": "Secret", "data": {"p": ENCODED}}),
    "k/long-key.json": json.dumps({"k" * 2000: 1, "kind": "Secret", "data": {"p": ENCODED}}),
    "k/comments.jsonc": f'// c\n{{"kind": "Secret", /* c */ "stringData": {{"p": "{REAL}"}}}}',
    "k/lines.json": '{"kind": "ConfigMap"}\n' + json.dumps({"kind": "Secret", "stringData": {"p": REAL}}),
    "k/inside.yaml": f"kind: ConfigMap\ndata:\n  m.yaml: |\n    kind: Secret\n    stringData:\n      p: {REAL}\n",
    "k/object.yaml": f"kind: Object\nspec:\n  forProvider:\n    manifest:\n      kind: Secret\n      stringData: {{p: {REAL}}}\n",
    "k/last-applied.yaml": f'kind: Secret\nmetadata:\n  annotations:\n    last: |\n      {{"kind":"Secret","data":{{"p":"{ENCODED}"}}}}\n',
    "k/operator.yaml": f"kind: SopsSecret\nspec:\n  secretTemplates:\n  - name: a\n    stringData: {{p: {REAL}}}\n",
    "k/misspelt.yaml": f"kind: Secret\nstringdata:\n  p: {REAL}\n",
    "k/configuration.yaml": f"kind: Secret\nstringData:\n  app.ini: |\n    [db]\n    password = {REAL}\n",
    "k/docker.yaml": f"kind: Secret\ndata:\n  .dockerconfigjson: {b64(DOCKER_AUTH)}\n",
    "k/half.yaml": f"kind: Secret\nstringData:\n  a: {CIPHERTEXT}\n  b: {REAL}\n",
    "k/fake.yaml": f"kind: Secret\nstringData:\n  a: ENC[AES256_GCM,data:{REAL}]\n",
    "k/tab.yaml": f"kind: Secret\nstringData:\n\tp: {REAL}\n",
    "k/nul.yaml": f"kind: Secret\nstringData:\n  p: {REAL}\n#\0\n",
    "k/conflict.yaml": f"kind: Secret\nstringData:\n<<<<<<< HEAD\n  p: {REAL}\n=======\n  p: x\n>>>>>>> b\n",
    "k/crlf.yaml": f"kind: Secret\r\nstringData:\r\n  p: {REAL}\r\n",
    "k/bom.yaml": f"\ufeffkind: Secret\nstringData:\n  p: {REAL}\n",
    "k/utf16.yaml": f"\ufeffkind: Secret\nstringData:\n  p: {REAL}\n".encode("utf-16-le"),
    "k/utf16-without-bom.yaml": f"kind: Secret\nstringData:\n  p: {REAL}\n".encode("utf-16-be"),
    "k/latin1.yaml": f"# \xe9\nkind: Secret\nstringData:\n  p: {REAL}\n".encode("latin-1"),
    "k/no-extension": f"kind: Secret\nstringData:\n  p: {REAL}\n",
    "k/deep.yaml": f"kind: Secret\nx: {'[' * 3000}{']' * 3000}\nstringData:\n  p: {REAL}\n",
    "apply.sh": f"kubectl apply -f - <<EOF\nkind: Secret\nstringData:\n  p: {REAL}\nEOF\n",
    "chart/templates/a.yaml": '{{- if .Values.x }}\nkind: Secret\nmetadata:\n  name: {{ include "a" . }}\nstringData:\n'
    f"  {{{{- toYaml .Values.y | nindent 2 }}}}\n  p: {REAL}\n{{{{- end }}}}\n",
    "chart/templates/b.yaml": f'kind: Secret\nmetadata:\n  name: {{{{ .x }}}}\ndata:\n  p: {{{{ "{REAL}" | b64enc }}}}\n',
    "roles/templates/s.yaml.j2": f"{{% if x %}}\nkind: Secret\nstringData:\n  p: {REAL}\n{{% endif %}}\n",
    "kustomization.yaml": f"secretGenerator:\n- name: a\n  literals: [password={REAL}]\n",
    # environments
    ".env": f"PORT=1\nDB_PASSWORD={REAL}\n",
    ".env.production": f"DB_PASSWORD='{REAL}'\n",
    "prod.env": f"DATABASE_URL=postgres://app:{REAL}@db/x\n",
    ".envrc": f"export AWS_SECRET_ACCESS_KEY={b64(noise(30))}\n",
    "commented.env": f"# DB_PASSWORD={REAL}\n",
    ".env.example": f"TOKEN={'gh' + 'p_'}{'a1B2c3D4' * 4}e5F6\n",
    ".env~": f"DB_PASSWORD={REAL}\n",
    "dotenvx/.env": f"DB_PASSWORD=encrypted:{REAL}\n",
    # Terraform
    "terraform.tfstate": json.dumps({"version": 4, "outputs": {"p": {"value": REAL, "sensitive": True}}, "resources": []}),
    "terraform.tfstate.backup": '{"version": 4, "resources": [{"instances": [{"attributes": {"id": "a"}}]}]}',
    "prod.tfvars": f'region = "eu"\ndb_password = "{REAL}"\n',
    "lists.tfvars": f'region = "eu"\ntokens = [\n  "{REAL}",\n]\n',
    "prod.auto.tfvars.json": json.dumps({"db_password": REAL}),
    # logins
    "kubeconfig": f"kind: Config\nusers:\n- name: a\n  user: {{token: {REAL}}}\n",
    "admin.conf": f"apiVersion: v1\nclusters: []\nkind: Config\nusers:\n- name: a\n  user: {{token: {REAL}}}\n",
    "tokens.yaml": f"kind: Config\nclusters: []\nusers:\n- name: a\n  user: {{token: {REAL}}}\n",
    "cluster.yaml": f"kind: Config\nusers:\n- name: a\n  user: {{client-key-data: {b64(noise(90))}}}\n",
    ".docker/config.json": DOCKER_AUTH,
    # settings
    "secrets.yaml": f"db: {REAL}\n",
    "values-secret.yaml": f"auth:\n  adminPassword: {REAL}\n",
    "secrets.toml": f"token = '{REAL}'\n",
    "secrets/prod/db.yaml": f"db:\n  password: {REAL}\n",
    "conf/secret/app.properties": f"db.password={REAL}\n",
    "db.enc.yaml": f"db: {REAL}\n",
    "app-sops.json": json.dumps({"db": {"password": REAL}}),
    "prod.yaml.enc": f"password: {REAL}\n",
    "apps/release.yaml": f"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values:\n    adminPassword: {REAL}\n",
    "apps/argo.yaml": f"kind: Application\nspec:\n  source:\n    helm:\n      valuesObject:\n        env: [{{name: TOKEN, value: {REAL}}}]\n",
    "apps/k3s.yaml": f"kind: HelmChart\nspec:\n  valuesContent: |-\n    auth:\n      password: {REAL}\n",
    "values.yaml": f"auth:\n  password: {REAL}\n",
    "values-prod.yaml": f"env:\n- name: DB_PASSWORD\n  value: {REAL}\n",
    "group_vars/db/vault.yml": f"vault_db_password: {REAL}\n",
    "group_vars/fake/vault.yml": f"$ANSIBLE_VAULT;1.1;AES256\nvault_db_password: {REAL}\n",
    "inline.yml": f"a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {REAL}\n",
    # copies
    "secrets.yaml.dec": "a: b\n",
    "secrets.dec.yaml": "a: b\n",
    "secrets.dec": "a: b\n",
    ".decrypted~secrets.yaml": "a: b\n",
    "x.decrypted~1.yaml": "a: b\n",
    "secrets.decrypted.json": '{"a": "b"}\n',
}

ORDINARY = {
    # Kubernetes
    "k/references.yaml": "kind: Secret\nstringData:\n  password: <path:secret/data/x#y>\n  b: ref+vault://x/y\n  c: $(VAR)\n"
    "  d: ${X}\n  e: changeme\n  url: https://git.example.org/a/b\n  type: git\n",
    "k/encrypted.yaml": f"kind: Secret\nstringData:\n  p: {CIPHERTEXT}\n",
    "k/hollow.yaml": "kind: Secret\nstringData:\n  sshPrivateKey: |\n    -----BEGIN OPENSSH PRIVATE " "KEY-----\n    ...\n"
    "  mail: a@example.org\n  adminPasswordMtime: 2019-03-20T17:54:53Z\n",
    "values-manifest.yaml": "extra: |\n  kind: Secret\n  data:\n    password: ${PW}\n",
    "k/certificate.yaml": f"kind: Secret\ndata:\n  ca.crt: {b64('-----BEGIN CERTIFICATE-----')}\n  ns: {b64('default')}\n",
    "k/request.yaml": "kind: Secret\nmetadata: {name: t}\ntype: kubernetes.io/service-account-token\n",
    "k/delete.yaml": "kind: Secret\nmetadata: {name: db}\n$patch: delete\n",
    "k/empty.yaml": "kind: Secret\ndata: {}\nstringData:\n  a: ''\n  b:\n",
    "k/crd.yaml": "kind: CustomResourceDefinition\nspec:\n  names: {kind: Secret}\n  schema:\n    properties:\n      data: {type: object1A}\n",
    "k/role.yaml": "kind: Role\nrules:\n- resources: [secrets]\n  verbs: [get]\n",
    "k/config.yaml": "kind: ConfigMap\ndata:\n  a: bar9-Xyzzy12345\n",
    "k/sealed.yaml": f"kind: SealedSecret\nspec:\n  encryptedData:\n    p: Ag{b64(noise(300))}\n  template:\n    data: {{c: '{{{{ .p }}}}'}}\n",
    "k/external.yaml": "kind: ExternalSecret\nspec:\n  target:\n    template:\n      data:\n        url: 'db://u:{{ .password }}@h'\n"
    "  data:\n  - secretKey: password\n    remoteRef: {key: secret/a9f8X, property: Password9x1}\n",
    "k/store.yaml": "kind: ClusterSecretStore\nspec:\n  auth:\n    tokenSecretRef: {name: vault-token-9, key: token}\n",
    "k/provider.yaml": "kind: SecretProviderClass\nspec:\n  secretObjects:\n  - data:\n    - key: username9Ab\n      objectName: foo1Xy9\n",
    "k/vault.yaml": "kind: VaultStaticSecret\nspec:\n  mount: kvv2\n  path: a/B9b\n  destination: {name: secretkv}\n",
    "k/onepassword.yaml": "kind: OnePasswordItem\nspec:\n  itemPath: vaults/x/items/y9A\n",
    "k/values.yaml": "kind: HelmRelease\nspec:\n  values:\n    auth: {existingSecret: db9Xcredentials, password: ${PW}}\n    token: changeme\n",
    "secrets/settings.yaml": "replicas: 3\nimage: app-1.2.3\ntls: {secretName: web-tls-2024, keyFile: /etc/tls/x9.key}\n",
    "charts/app.enc.yaml": "password: ${PASSWORD}\nimage: registry.example.org/a/b:1.2.3\n",
    "k/release.yaml": "kind: HelmRelease\nspec:\n  valuesFrom:\n  - kind: Secret\n    name: my-values9X\n",
    "k/clone.yaml": "kind: ClusterPolicy\nspec:\n  rules:\n  - generate:\n      kind: Secret\n      clone: {namespace: default, name: regcred9X}\n",
    "k/deployment.yaml": "kind: Deployment\nspec:\n  env:\n  - name: DB_PASSWORD\n    valueFrom:\n      secretKeyRef: {name: db, key: pass}\n",
    "chart/templates/secret.yaml": '{{- if .Values.x }}\nkind: Secret\nmetadata:\n  name: {{ include "a.fullname" . }}\ndata:\n'
    "  password: {{ .Values.password | b64enc | quote }}\n  other: {{ randAlphaNum 32 | b64enc }}\n"
    "  {{- range $k, $v := .Values.secrets }}\n  {{ $k }}: {{ $v | b64enc }}\n  {{- end }}\n{{- end }}\n",
    "kustomization.yaml": "secretGenerator:\n- name: a\n  envs: [secret.env]\n  literals: [user=admin, pw=$(PW), host=db]\n",
    # environments
    ".env": "PORT=8080\nDEBUG=true\nNODE_ENV=production\nTOKEN_TTL=3600\nSECRET_FILE=/run/secrets/x\nPASSWORD=${PW}\nKEY=op://v/i/x\n",
    ".env.example": "DB_PASSWORD=password\nAPI_KEY=your-api-key\nJWT_SECRET=supersecret\nURL=postgres://user:pass@localhost/db\n",
    ".env.local.sample": "SECRET=postgres\n",
    ".envrc": "use flake\nexport TOKEN=$(op read op://x/y)\nexport AWS_PROFILE=dev\nPATH_add bin\n",
    "dotenvx/.env": f'DOTENV_PUBLIC_KEY="{noise(33).hex()}"\nDB_PASSWORD="{DOTENVX}"\n',
    ".env.vault": f'DOTENV_VAULT_PRODUCTION="{b64(noise(60))}"\n',
    "env.ts": f"export const password = '{REAL}'\n",
    # Terraform
    "empty.tfstate": '{"version": 4, "serial": 1, "lineage": "a-b", "outputs": {}, "resources": [], "check_results": null}',
    "tofu.tfstate": json.dumps({"serial": 1, "meta": {"key_provider.pbkdf2.k": "eHg="}, "encrypted_data": b64(noise(200))}),
    "sops.tfstate": json.dumps({"version": CIPHERTEXT, "resources": [{"type": CIPHERTEXT}], "sops": {"version": "3.11.0"}}),
    "terraform.tfvars": 'region = "eu-west-1"\nkey_name = "prod-key"\ndb_password = "CHANGEME"\n',
    # logins
    "kubeconfig": "kind: Config\ncurrent-context: a\nusers: [{name: a, user: {exec: {command: aws, args: [eks, get-token]}}}]\n",
    "redacted.kubeconfig": "kind: Config\nusers: [{name: a, user: {client-key-data: DATA+OMITTED, token: REDACTED}}]\n",
    ".docker/config.json": '{"auths": {"ghcr.io": {}}, "credsStore": "desktop"}',
    "account.json": '{"type": "service_account", "private_key": "-----BEGIN PRIVATE ' 'KEY-----\\nREPLACE\\n-----END PRIVATE KEY-----\\n"}',
    # settings
    "secrets.yaml": "apiKey: <your key>\ndb:\n  password: ${DB}\n  host: db.example.com\n  image: registry.io/foo/bar:v1.2.3\n",
    "secrets/eyaml.secrets.yaml": f"db::password: ENC[PKCS7,{b64(noise(300))}]\n",
    "values.yaml": "image: {tag: 1.25.3}\nauth:\n  existingSecret: ''\n  password: ''\n  secretKeys: {adminPasswordKey: admin-password}\n"
    "  adminPassword: changeme\ntls: {secretName: my-tls-1}\nserviceAccount: {automountToken: false}\n",
    "vault-values.yaml": "server:\n  extraSecretEnvironmentVars:\n  - secretName: vault\n    secretKey: AWS_SECRET_ACCESS_KEY\n",
    "vault.yml": "vault_addr: https://v\nserver:\n  image: {tag: 1.15.2}\n",
    "group_vars/all.yml": "user: root\nntp: pool.ntp.org\ndb_password: '{{ vault_db_password }}'\n",
    "group_vars/db/vault.yml": VAULT,
    "group_vars/web.yml": "user: web\npass: !vault |\n  " + VAULT.replace("\n", "\n  ").rstrip() + "\nother: x\n",
    ".github/workflows/secrets.yml": "on: push\nenv:\n  TOKEN: ${{ secrets.TOKEN }}\njobs: {a: {steps: [{uses: a/b@" + "a9f8" * 10 + "}]}}\n",
    "secrets.schema.json": '{"properties": {"password": {"type": "string"}}}',
    "docker-compose.yml": "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: ${PASSWORD}\nsecrets:\n  db: {file: ./secret.txt}\n",
    # not copies
    "codec.dec": "[Defines]\n  DEC_SPECIFICATION = 0x1\n",
    "decoder.dec.py": "x = 1\n",
    "secrets.yaml.dec": VAULT,
    # programs and texts
    "secret_test.go": f"package x\nvar a = `kind: Secret\nstringData:\n  password: {REAL}`\n",
    "README.md": "```yaml\nkind: Secret\nstringData:\n  password: changeme\n```\n",
    ".sops.yaml": "creation_rules:\n- path_regex: secret\n",
    "blank.env": " \n",
}


def problems(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    return secret_bearing(path.encode(), data), data


@pytest.mark.parametrize("path", BEARING)
def test_a_secret_in_clear_is_reported_where_it_stands(path):
    found, data = problems(path, BEARING[path])
    assert found
    assert may_bear(path.encode(), data)
    for problem in found:
        assert problem.rule == ("sops-decrypted-copy" if "dec" in path.partition(".")[2] else "sops-uncovered")
        assert problem.confidence in ("medium", "high")
        assert "{file}" in problem.remedy
        assert 0 <= problem.span.start < problem.span.end <= len(data)
        assert REAL not in problem.reason + problem.key
        if problem.value is not None and REAL.encode() in data and "data" not in path:
            assert REAL.encode() in data[problem.span.start : problem.span.end]


@pytest.mark.parametrize("path", ORDINARY)
def test_ordinary_files_are_left_alone(path):
    assert problems(path, ORDINARY[path])[0] == []


def test_the_leaf_is_named():
    found, data = problems("a.yaml", f"kind: Secret\nmetadata: {{name: x}}\nstringData:\n  db.password: {REAL}\n")
    (problem,) = found
    assert problem.key == "stringData.db.password"
    assert data[problem.span.start : problem.span.end] == REAL.encode()
    assert problem.value.reveal() == REAL.encode()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_spans_count_bytes_of_the_file_in_any_encoding(encoding):
    data = f"# é🐍\nkind: Secret\nstringData:\n  p: {REAL}\n".encode(encoding)
    (problem,) = secret_bearing(b"a.yaml", data)
    plain = encoding.replace("-sig", "").replace("16", "16-le")
    assert data[problem.span.start : problem.span.end].decode(plain) == REAL


def test_documentation_and_fixtures_are_believed_less():
    manifest = f"kind: Secret\nstringData:\n  password: {REAL}\n"
    assert {p.confidence for p in problems("docs/a.md", f"```yaml\n{manifest}```\n")[0]} == {"low"}
    assert {p.confidence for p in problems("tests/a.yaml", manifest)[0]} == {"medium"}
    assert {p.confidence for p in problems("a.yaml", manifest)[0]} == {"high"}


def test_many_secrets_become_a_few_problems():
    found, _ = problems("a.yaml", "kind: Secret\nstringData:\n" + "".join(f"  p{i}: {REAL}{i}\n" for i in range(500)))
    assert len(found) == 20


def test_the_files_of_a_secret_generator_are_named_from_the_root():
    text = (
        "secretGenerator:\n- name: a\n  env: one.env\n  envs: [../Two.env, 'https://h/x']\n  files: [tls.key=certs/t.key, ../../out]\n"
        "configMapGenerator:\n- files: [plain]\n"
    )
    sources = [b"k/one.env", b"Two.env", b"k/certs/t.key"]
    assert secret_generator_sources(b"k/kustomization.yaml", text.encode()) == sources
    assert secret_generator_sources(b"k/other.yaml", b"a: 1\n") == []


def test_everything_in_a_generators_source_is_secret():
    assert secret_bearing(b"x.txt", f"{REAL}\n".encode()) == []
    assert secret_bearing(b"x.txt", f"{REAL}\n".encode(), is_source=True)
    assert secret_bearing(b"x.properties", f"anything={REAL}\n".encode(), is_source=True)
    assert secret_bearing(b"x.properties", b"anything=${REAL}\n", is_source=True) == []


@pytest.mark.parametrize(
    "piece",
    ["[", "{a: ", "- ", "? ", "{{ ", "{{ x }} ", "'", '"', '"\\', "kind: Secret\ndata: {a: b}\n---\n", "data:\n", "a: |\n  kind: Secret\n"]
    + ["-----BEGIN PRIVATE " + "KEY-----\n", "$ANSIBLE_VAULT;1.1;AES256\nab\n", 'A="x', "password=", "/*", "<%", "&a ", "*a ", "\t", "\0", "://a:b"],
)
def test_hostile_content_is_read_in_bounded_time(piece):
    data = ("kind: Secret\nsecretGenerator: auths\n" + piece * (50_000 // len(piece))).encode()
    for path in (b"secrets.yaml", b"x.json", b".env", b"a.tfstate", b"a.tfvars", b"vault.yml", b"kubeconfig", b"x.md", b"id_rsa"):
        start = time.process_time()
        secret_bearing(path, data, is_source=True)
        assert time.process_time() - start < 3


def test_an_alias_bomb_is_never_expanded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    text = "\n".join((*lines, "kind: Secret", "stringData:", f"  p: {REAL}", "  q: *a11", ""))
    start = time.process_time()
    assert [problem.key for problem in problems("bomb.yaml", text)[0]] == ["stringData.p"]
    assert time.process_time() - start < 1


def test_random_bytes_never_raise():
    source = random.Random(7)
    seeds = [content if isinstance(content, bytes) else content.encode() for content in (*BEARING.values(), *ORDINARY.values())]
    paths = [path.encode() for path in (*BEARING, *ORDINARY)]
    for _ in range(500):
        data = bytearray(source.choice(seeds))
        for _ in range(source.randint(1, 6)):
            position = source.randrange(len(data) + 1)
            data[position : position + source.randint(0, 3)] = source.randbytes(source.randint(0, 3))
        path = source.choice(paths)
        found = secret_bearing(path, bytes(data))
        assert may_bear(path, bytes(data)) or not found
        assert all(0 <= problem.span.start <= problem.span.end <= len(data) for problem in found)
